"""Functions of numbers."""

from __future__ import annotations

import random

from embedded.sql.functions.call import Call, Function, math, same, same_number, scalar
from embedded.sql.functions.kinds import comparable, integer_kind, number
from embedded.types import BIGINT, BOOL, DOUBLE, FLOAT, NCHAR, TIMESTAMP, VARCHAR, Type


def _round(call: Call) -> str:
    """Halves away from zero; DuckDB does so for DOUBLE."""
    digits = f"CAST({call.args[1].sql} AS INTEGER)" if len(call.args) == 2 else "0"
    return f"round({call.double}, {digits})"


def _truncate(call: Call) -> str:
    """Digits behind the point cut off; a negative count cuts those before it."""
    unit = f"pow(10, {call.args[1].sql})"
    return f"trunc({call.double} * {unit}) / {unit}"


def _log(call: Call) -> str:
    if len(call.args) == 1:
        found = f"ln({call.double})"
        return f"(CASE WHEN {call.double} > 0 THEN {found} END)"
    base = f"CAST({call.args[1].sql} AS DOUBLE)"
    given = f"{call.double} > 0 AND {base} > 0 AND {base} <> 1"
    return f"(CASE WHEN {given} THEN ln({call.double}) / ln({base}) END)"


def _glibc_random(seed: int) -> float:
    """What RAND(seed) gives: the first number after C's srand(seed), by glibc's additive feedback generator."""
    state = [seed or 1]
    for at in range(1, 31):
        state.append(16807 * state[at - 1] % 2147483647)
    for at in range(31, 34):
        state.append(state[at - 31])
    for at in range(34, 345):
        state.append((state[at - 31] + state[at - 3]) & 0xFFFFFFFF)
    return (state[344] >> 1) / 2147483647


def _rand(call: Call) -> str:
    if not call.args or call.args[0].null:
        return repr(random.random()) if call.env.time is None else "random()"
    return repr(_glibc_random(call.constant_integer(0, 0, 2**32 - 1)))


def _extreme_type(call: Call) -> Type:
    """The type that holds all: text if there is any (GREATEST compares as text then), else the widest number."""
    types = [argument.type for argument in call.args if not argument.null]
    if not types:
        return Type(VARCHAR, 0)
    if any(type_.kind.text for type_ in types):
        kind = NCHAR if any(type_.kind is NCHAR for type_ in types) else VARCHAR
        return Type(kind, max(type_.length if type_.kind.text else 64 for type_ in types))
    kinds = {type_.kind for type_ in types}
    if len(kinds) == 1:
        return types[0]
    if kinds & {FLOAT, DOUBLE}:
        return Type.of(DOUBLE)
    if TIMESTAMP in kinds:
        return Type.of(TIMESTAMP)
    return Type.of(BIGINT) if BOOL not in kinds else max(types, key=lambda type_: type_.kind.size)


def _extreme(word: str) -> Function:
    def render(call: Call) -> str:
        if any(argument.null for argument in call.args):
            return "NULL"
        type_ = _extreme_type(call)
        values = [f"CAST({argument.sql} AS {type_.duckdb})" for argument in call.args]
        missing = " OR ".join(f"{argument.sql} IS NULL" for argument in call.args)
        return f"CASE WHEN {missing} THEN NULL ELSE {word}({', '.join(values)}) END"

    return scalar(comparable, _extreme_type, render, (2, 1024))


FUNCTIONS: dict[str, Function] = {
    "abs": scalar(number, same_number, "abs({0})"),
    "ceil": scalar(number, same_number, "ceil({0})"),
    "floor": scalar(number, same_number, "floor({0})"),
    "round": scalar((number, integer_kind), same, _round, (1, 2)),
    "truncate": scalar((number, integer_kind), same, _truncate),
    "trunc": scalar((number, integer_kind), same, _truncate),
    "sign": scalar(number, same_number, "sign({0})"),
    "sqrt": math("sqrt(CASE WHEN {0} >= 0 THEN {0} END)"),
    "exp": math("exp({0})"),
    "ln": math("ln(CASE WHEN {0} > 0 THEN {0} END)"),
    "sin": math("sin({0})"),
    "cos": math("cos({0})"),
    "tan": math("tan({0})"),
    "asin": math("asin(CASE WHEN abs({0}) <= 1 THEN {0} END)"),
    "acos": math("acos(CASE WHEN abs({0}) <= 1 THEN {0} END)"),
    "atan": math("atan({0})"),
    "degrees": math("degrees({0})"),
    "radians": math("radians({0})"),
    "pow": math("pow({0}, {1})", 2),
    "mod": math("{0} % NULLIF({1}, 0)", 2),
    "log": scalar((number, number), DOUBLE, _log, (1, 2)),
    "pi": scalar((), DOUBLE, "pi()", 0),
    "rand": scalar((integer_kind,), DOUBLE, _rand, (0, 1)),
    "greatest": _extreme("greatest"),
    "least": _extreme("least"),
}
