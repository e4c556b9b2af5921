"""A WebSocket that answers messages that are too long."""

from __future__ import annotations

from tornado.websocket import WebSocketProtocol13

from embedded import limits

_KEPT_BYTES = 64


class BoundedProtocol(WebSocketProtocol13):
    """Reads messages that are too long, but keeps only their beginning: the client is to have an answer.

    Were the socket closed instead, taosws would open another and send the same again, without end.
    """

    oversized = False

    async def _read_bytes(self, n: int) -> bytes:
        before = len(self._fragmented_message_buffer or b"")
        if n + before <= limits.MOST_MESSAGE_BYTES:
            return await super()._read_bytes(n)
        self.oversized = True
        kept = b""
        while n:
            piece = await super()._read_bytes(min(n, 65536))
            n -= len(piece)
            kept = kept or piece[:_KEPT_BYTES]
        return kept
