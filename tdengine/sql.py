"""Names and texts as TDengine's SQL takes them, whatever they hold."""


def quote(name: str) -> str:
    """A name as SQL takes it whatever it holds: `timestamp` unquoted is a syntax error in TDengine."""
    return f"`{name}`"


def literal(text: str) -> str:
    """A text in quotes."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
