"""The bytes on the wire, as pure functions: message frames, result blocks and the two kinds of bind.

Layouts are little-endian throughout; they were recorded from TDengine 3.3.6.3 (tests/tdengine/wire.jsonl).
"""
