"""What may go wrong with TDengine: what only the user can mend, and what taosws says."""

import re

WRONG_PASSWORD = 0x0357
NO_TABLE = 0x2603
CLIENT_ERRORS = 0xE000
"""Codes from here on are the client's own: a connection that is lost, an answer that does not come."""


class TDengineError(Exception):
    """Something that only the user can mend. Its text is one line for them: what happened and what to do."""


def code(error: BaseException) -> int | None:
    """TDengine's error code, which taosws puts at the start of an error's text (`[0x2603] ...`), if it is there."""
    match = re.match(r"\[0x([0-9A-Fa-f]{4})\]", str(error))
    return int(match[1], 16) if match else None


def reason(error: BaseException) -> str:
    """An error of taosws in one line without its wrapping: `[0x2603] Table does not exist`."""
    text = re.sub(r"Internal error: `(.*)`$", r"\1", " ".join(str(error).split()))
    return text if len(text) <= 300 else text[:297] + "..."
