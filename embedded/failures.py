"""What a client is told of an error that is not TDengine's: a fault of this server, which is logged."""

from __future__ import annotations

import logging

from embedded import errors
from embedded.errors import TDengineError
from embedded.protocol.frames import FrameError

log = logging.getLogger("embedded")


def failure_of(error: Exception, action: str) -> TDengineError:
    """The error as the client is told it."""
    if isinstance(error, TDengineError):
        return error
    if isinstance(error, FrameError):
        return TDengineError(errors.ADAPTER, str(error))
    log.error("%s failed", action, exc_info=error)
    return TDengineError(errors.ADAPTER, f"embedded server: internal error: {error!r}")
