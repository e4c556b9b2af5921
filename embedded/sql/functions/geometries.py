"""Functions of geometries, which are stored as their well-known binary form."""

from __future__ import annotations

from embedded.sql import geometry
from embedded.sql.functions.call import Call, Function, fixed, scalar
from embedded.sql.functions.kinds import geometry_kind, text_kind
from embedded.sql.typed import bytes_sql
from embedded.types import GEOMETRY, VARCHAR

_MOST = 65517


def _bytes(call: Call) -> str:
    argument = call.args[0]
    if isinstance(argument.value, str):
        try:
            return bytes_sql(geometry.to_bytes(argument.value))
        except geometry.GeometryError:
            raise call.bad_value() from None
    return f"ST_AsWKB(TRY_CAST({argument.sql} AS GEOMETRY))"


def _text(call: Call) -> str:
    """WKT with six decimals in each number, as TDengine writes it."""
    parts = f"regexp_extract_all(ST_AsText(ST_GeomFromWKB({call.args[0].sql})), '[-+.e0-9]+|[^-+.e0-9]+')"
    written = f"list_transform({parts}, lambda x: coalesce(printf('%.6f', TRY_CAST(x AS DOUBLE)), x))"
    return f"array_to_string({written}, '')"


FUNCTIONS: dict[str, Function] = {
    "st_astext": scalar(geometry_kind, fixed(VARCHAR, _MOST), _text),
    "st_geomfromtext": scalar(text_kind, fixed(GEOMETRY, _MOST), _bytes),
}
