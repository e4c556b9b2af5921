"""Functions of texts."""

from __future__ import annotations

import re
import string

from embedded import errors
from embedded.sql.functions.call import Call, Function, Render, same, scalar
from embedded.sql.functions.kinds import integer_kind, text_kind
from embedded.sql.typed import text_sql
from embedded.types import BIGINT, NCHAR, UTINYINT, VARCHAR, Kind, Type

_MOST_BYTES = 65519
_MOST_INSIDE = 4 * _MOST_BYTES
"""The most bytes of a text inside an expression: a vector of 2048 of them must fit into memory."""


def of_bytes(kind: Kind, size: int) -> Type:
    """A text type of so many bytes, the two of its length included."""
    size = min(size, _MOST_BYTES)
    return Type(kind, (size - 2) // 4 if kind is NCHAR else size - 2)


def _bytes(type_: Type, nchar: bool) -> int:
    """Bytes of a text with its two of length, as NCHAR at four bytes a character."""
    if nchar:
        return 4 * type_.length + 2 if type_.kind is NCHAR else 4 * (type_.length + 2)
    return type_.length + 2


def _concat_type(call: Call) -> Type:
    """NCHAR if any argument is. TDengine adds up the bytes, each argument's two bytes of length included."""
    nchar = any(argument.type.kind is NCHAR for argument in call.args)
    separators = 0
    args = call.args
    if call.name == "concat_ws":
        separators = _bytes(args[0].type, nchar) * (len(args) - 2)
        args = args[1:]
    total = sum(_bytes(argument.type, nchar) for argument in args) + separators
    if total > _MOST_INSIDE:
        raise call.fail(errors.PARAMETER_RANGE, "parameter range")
    return Type(NCHAR, (total - 2) // 4) if nchar else Type(VARCHAR, total - 2)


def _concat(call: Call) -> str:
    return "(" + " || ".join(argument.sql for argument in call.args) + ")"


def _concat_ws(call: Call) -> str:
    """NULL if any argument is, unlike DuckDB's."""
    separator, *parts = (argument.sql for argument in call.args)
    return f"({f' || {separator} || '.join(parts)})"


def _case(word: str, source: str, target: str) -> Function:
    """UPPER and LOWER: of NCHAR all letters, of VARCHAR, which is bytes, the ASCII ones."""

    def render(call: Call) -> str:
        argument = call.args[0]
        return f"{word}({argument.sql})" if argument.type.kind is NCHAR else f"translate({argument.sql}, {letters})"

    letters = f"'{source}', '{target}'"
    return scalar(text_kind, same, render)


def _trim_type(call: Call) -> Type:
    """The type of a literal loses the length of the blanks that go; a column's type keeps it."""
    argument = call.args[0]
    if isinstance(argument.value, str):
        kept = {"ltrim": argument.value.lstrip, "rtrim": argument.value.rstrip}.get(call.name, argument.value.strip)
        return Type(argument.type.kind, len(kept(" ").encode()))
    return argument.type


def _whole_trim_type(call: Call) -> Type:
    """TRIM's type is as long as its argument, and of NCHAR four times that in bytes."""
    type_ = call.args[0].type
    return of_bytes(NCHAR, 4 * type_.wire_bytes) if type_.kind is NCHAR else type_


def _trimmed(sql: str, call: Call, end: str) -> str:
    """The text without a text that is repeated at an end of it."""
    taken = call.args[1].value
    if not isinstance(taken, str):
        raise errors.unsupported("TRIM of a text that is no literal")
    if not taken:
        return sql
    pattern = f"(?:{re.escape(taken)})+"
    return f"regexp_replace({sql}, {text_sql('^' + pattern if end == '^' else pattern + '$')}, '')"


def _trim_both(call: Call) -> str:
    return _trimmed(_trimmed(call.args[0].sql, call, "^"), call, "$")


def _trim_end(end: str) -> Render:
    return lambda call: _trimmed(call.args[0].sql, call, end)


def _replace_type(call: Call) -> Type:
    """As long as if all of the text were replaced (builtins.c, translateReplace)."""
    whole, old, new = (argument.type.wire_bytes for argument in call.args)
    kind = call.args[0].type.kind
    if kind is NCHAR and call.args[2].type.kind is not NCHAR:
        new *= 4
    size = max(whole, whole + whole // max(old, 1) * (new - old))
    if size > _MOST_INSIDE:
        raise call.fail(errors.PARAMETER_RANGE, "parameter range")
    return of_bytes(kind, size)


def _substr(call: Call) -> str:
    """From a position that counts from 1, or from the end if negative; 0 gives an empty text."""
    whole, start = call.args[0].sql, call.args[1].sql
    length = f", CAST(greatest({call.args[2].sql}, 0) AS BIGINT)" if len(call.args) == 3 else ""
    return f"CASE WHEN {start} = 0 THEN '' ELSE substr({whole}, CAST({start} AS BIGINT){length}) END"


def _length(call: Call) -> str:
    argument = call.args[0]
    if argument.type.kind is NCHAR:
        return f"4 * length({argument.sql})"
    return f"octet_length({argument.sql})" if argument.type.kind.raw else f"strlen({argument.sql})"


def _has_length(kind: Kind) -> bool:
    return kind.text or kind.raw


def _repeat_type(call: Call) -> Type:
    """As long as the text repeated; of a column's count the most that a VARCHAR holds."""
    type_, count = call.args[0].type, call.args[1].value
    return of_bytes(type_.kind, type_.wire_bytes * max(count, 1) if isinstance(count, int) else _MOST_BYTES)


def _repeat(call: Call) -> str:
    """Refused where it would not fit into a VARCHAR."""
    whole, count = call.args[0].sql, f"CAST(greatest({call.args[1].sql}, 0) AS BIGINT)"
    length, times = call.args[0].type.length, call.args[1].value
    if isinstance(times, int) and length * times <= _MOST_BYTES:
        return f"repeat({whole}, {count})"
    if isinstance(times, int) and call.args[0].constant:
        raise call.fail(errors.PARAMETER_RANGE, "parameter range")
    too_long = f"strlen({whole}) * CAST({count} AS HUGEINT) > {_MOST_BYTES}"
    repeated = f"repeat({whole}, least({count}, {_MOST_BYTES} // greatest(strlen({whole}), 1)))"
    return f"CASE WHEN {too_long} THEN error('{errors.TOO_LONG_A_RESULT}') ELSE {repeated} END"


def _substring_index(call: Call) -> str:
    whole, delimiter = call.args[0].sql, call.args[1].sql
    count = call.args[2].value
    if not isinstance(count, int):
        raise errors.unsupported("SUBSTRING_INDEX with a count that is no literal")
    parts = f"string_split({whole}, {delimiter})"
    kept = f"{parts}[:{count}]" if count > 0 else f"{parts}[{count}:]"
    return "''" if count == 0 else f"array_to_string({kept}, {delimiter})"


def _char_type(call: Call) -> Type:
    return Type(VARCHAR, 4 * len(call.args))


def _char(call: Call) -> str:
    """The ASCII characters of the codes; others would be bytes that are no text."""
    codes = [argument.value for argument in call.args]
    if not all(isinstance(code, int) and 0 < code < 128 for code in codes):
        raise errors.unsupported("CHAR of other than ASCII codes")
    return " || ".join(f"chr({code})" for code in codes)


def _find_in_set(call: Call) -> str:
    """The place of a text among those that a separator divides, from 1; 0 if it is none of them."""
    separator = call.args[2].sql if len(call.args) == 3 else "','"
    wanted, whole = call.args[0].sql, call.args[1].sql
    return f"coalesce(list_position(string_split({whole}, {separator}), {wanted}), 0) + 0 * strlen({wanted} || {whole})"


FUNCTIONS: dict[str, Function] = {
    "upper": _case("upper", string.ascii_lowercase, string.ascii_uppercase),
    "lower": _case("lower", string.ascii_uppercase, string.ascii_lowercase),
    "length": scalar(_has_length, BIGINT, _length),
    "char_length": scalar(text_kind, BIGINT, "length({0})"),
    "concat": scalar(text_kind, _concat_type, _concat, (2, 8)),
    "concat_ws": scalar(text_kind, _concat_type, _concat_ws, (3, 9)),
    "substr": scalar((text_kind, integer_kind), same, _substr, (2, 3)),
    "substring": scalar((text_kind, integer_kind), same, _substr, (2, 3)),
    "ltrim": scalar(text_kind, _trim_type, "ltrim({0})"),
    "rtrim": scalar(text_kind, _trim_type, "rtrim({0})"),
    "trim": scalar(text_kind, _whole_trim_type, "trim({0})"),
    "trim both": scalar((text_kind, text_kind), _whole_trim_type, _trim_both),
    "trim leading": scalar((text_kind, text_kind), _whole_trim_type, _trim_end("^")),
    "trim trailing": scalar((text_kind, text_kind), _whole_trim_type, _trim_end("$")),
    "repeat": scalar((text_kind, integer_kind), _repeat_type, _repeat),
    "substring_index": scalar((text_kind, text_kind, integer_kind), same, _substring_index),
    "position": scalar((text_kind, text_kind), BIGINT, "strpos({1}, {0})"),
    "char": scalar(integer_kind, _char_type, _char, (1, 255)),
    "replace": scalar(text_kind, _replace_type, "replace({0}, {1}, {2})", 3),
    "ascii": scalar(
        text_kind, UTINYINT, "CASE WHEN {0} = '' THEN 0 ELSE CAST('0x' || left(hex({0}), 2) AS UTINYINT) END"
    ),
    "find_in_set": scalar(text_kind, BIGINT, _find_in_set, (2, 3)),
}
