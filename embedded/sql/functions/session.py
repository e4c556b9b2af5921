"""What a session tells of itself: functions without arguments whose text is known at once."""

from __future__ import annotations

from collections.abc import Callable

from embedded import VERSION
from embedded.sql.functions.call import Call, Function, scalar
from embedded.sql.typed import text
from embedded.types import INT, VARCHAR, Type


def _literal(value: Callable[[Call], str | None]) -> Function:
    def type_(call: Call) -> Type:
        found = value(call)
        return Type(VARCHAR, len(found.encode()) if found is not None else 0)

    def sql(call: Call) -> str:
        found = value(call)
        return "NULL" if found is None else text(found).sql

    return scalar((), type_, sql, 0)


def _user(call: Call) -> str:
    return f"{call.env.user}@127.0.0.1"


FUNCTIONS: dict[str, Function] = {
    "database": _literal(lambda call: call.env.database),
    "timezone": _literal(lambda call: call.env.zone_name),
    "server_version": _literal(lambda call: VERSION),
    "client_version": _literal(lambda call: VERSION),
    "current_user": _literal(_user),
    "user": _literal(_user),
    "server_status": scalar((), INT, "1", 0),
}
