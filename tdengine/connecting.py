"""A connection to TDengine, and how long to wait before another attempt."""

import time
from collections.abc import Iterator

import taosws

from tdengine.errors import CLIENT_ERRORS, WRONG_PASSWORD, TDengineError, code
from tdengine.hosts import addresses, answers, bracketed, turns
from tdengine.settings import Settings

TIMEOUT_SECONDS = 4
"""How long one call may take: with a pause and a new attempt it makes less than the five seconds in which rows have to
flow again. The client's own default is 300 s, in which it would hold the whole process."""


def create_tdengine_connection(
    at: Settings, database: str | None = None, timeout: int = TIMEOUT_SECONDS
) -> taosws.Connection:
    """Connect once, without retries: who calls decides how long to wait between attempts (`pauses`).

    Of several hosts, the next is tried where one does not answer, and the one that does is the first the next time.
    `database` becomes the current one, also after a reconnect of the client's own. A call may take `timeout` seconds.
    Raises TDengineError for a wrong user or password, taosws.Error for all that may pass by itself.
    """
    hosts = turns(at.host)
    failed: taosws.Error | None = None
    end = time.monotonic() + TIMEOUT_SECONDS
    for _ in range(len(hosts)):
        try:
            return _connect(hosts[0], at, database, timeout)
        except taosws.Error as error:
            # What a host answers tells more than that others do not.
            if failed is None or (code(failed) or 0) >= CLIENT_ERRORS:
                failed = error
        hosts.rotate(-1)
        if time.monotonic() >= end:
            break
    assert failed is not None
    raise failed


def _connect(host: str, at: Settings, database: str | None, timeout: int) -> taosws.Connection:
    """Connect to one host: by its name, as a proxy may need that, unless another of its addresses answers."""
    try:
        known = addresses(host)
    except OSError as error:
        raise taosws.ConnectionError(
            f"[0xE001] {host} has no address ({error.strerror}): check TAOS_HOST or --taos-host"
        ) from None
    # taosws tries all addresses of a name, but never gives up on one that is silent, as none of loopback's is.
    if len(turns(at.host)) == 1 and (len(known) == 1 or host == "localhost"):
        return _connect_to(bracketed(host), at, database, timeout)
    for address in known:
        if answers(address, at.port, TIMEOUT_SECONDS / len(turns(at.host)) / len(known)):
            return _connect_to(bracketed(host if address == known[0] else address), at, database, timeout)
    raise taosws.ConnectionError(f"[0xE001] {bracketed(host)}:{at.port} does not answer")


def _connect_to(host: str, at: Settings, database: str | None, timeout: int) -> taosws.Connection:
    """Connect to an address. Arguments beyond the first five must be strings."""
    try:
        return taosws.connect(
            host=host,
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
