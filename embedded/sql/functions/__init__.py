"""The table of functions: for each its arguments, its result's type and its DuckDB SQL.

A new function is a new entry in the module of its kind.
"""

from __future__ import annotations

from embedded import errors
from embedded.errors import TDengineError
from embedded.sql.functions import aggregates, geometries, moments, numbers, series, session, statistics, texts
from embedded.sql.functions.call import Call, Function

__all__ = ["FUNCTIONS", "Call", "Function", "find"]

FUNCTIONS: dict[str, Function] = {
    **aggregates.FUNCTIONS,
    **statistics.FUNCTIONS,
    **series.FUNCTIONS,
    **numbers.FUNCTIONS,
    **texts.FUNCTIONS,
    **moments.FUNCTIONS,
    **geometries.FUNCTIONS,
    **session.FUNCTIONS,
}

_ONLY_IN_TDENGINE = frozenset(
    """corr forecast like_in_set regexp_in_set st_contains st_containsproperly st_covers st_equals st_intersects
    st_makepoint st_touches to_json""".split()
)


def find(name: str) -> Function:
    """The function of that name; 0x0374 if TDengine has none."""
    function = FUNCTIONS.get(name)
    if function is None and name in _ONLY_IN_TDENGINE:
        raise errors.unsupported(f"the function {name.upper()}")
    if function is None:
        raise TDengineError(errors.FUNCTION_MISSING, "Func not exists")
    return function
