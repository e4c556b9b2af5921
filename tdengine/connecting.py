"""A connection to TDengine, and how long to wait before another attempt."""

from collections.abc import Iterator

import taosws

from tdengine.errors import WRONG_PASSWORD, TDengineError, code
from tdengine.settings import Settings

TIMEOUT_SECONDS = 4
"""How long one call may take: with a pause and a new attempt it makes less than the five seconds in which rows have to
flow again. The client's own default is 300 s, in which it would hold the whole process."""


def create_tdengine_connection(
    at: Settings, database: str | None = None, timeout: int = TIMEOUT_SECONDS
) -> taosws.Connection:
    """Connect once, without retries: who calls decides how long to wait between attempts (`pauses`).

    `database` becomes the current one, also after a reconnect of the client's own. A call may take `timeout` seconds.
    Raises TDengineError for a wrong user or password, taosws.Error for all that may pass by itself. Arguments beyond
    the first five must be strings.
    """
    try:
        return taosws.connect(
            host=at.host,
            port=at.port,
            user=at.user,
            password=at.password,
            **({"database": database} if database else {}),
            read_timeout=str(timeout),
            conn_timeout=str(TIMEOUT_SECONDS),
            conn_retries="0",
        )
    except taosws.Error as error:
        if code(error) == WRONG_PASSWORD:
            raise TDengineError(
                f"TDengine at {at} refuses user {at.user!r} with this password: set TAOS_USER and TAOS_PASSWORD"
            ) from None
        raise


def pauses() -> Iterator[float]:
    """Seconds to wait between attempts: growing from a quarter of a second to four."""
    seconds = 0.25
    while True:
        yield seconds
        seconds = min(seconds * 2, 4.0)
