"""What a viewer may ask of a Perspective server: its messages taken apart, checked, and put together again.

Perspective's handler hands every message on to an engine that does what it says: any client may delete the table.
And the engine (5.6.1) is not made for hostile hands: an empty message, a filter without a value, or a pivot whose
depth is changed, and the process is gone. So nothing reaches it but what is understood here in full: a message is
parsed by protocol/messages.py, which knows only the requests that viewing needs, checked, and encoded anew.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from google.protobuf.message import Message

from protocol.messages import CHANGES, Refused, parse

MAX_MESSAGE_BYTES = 64 * 1024
"""More than any viewer's request needs."""

MAX_VIEWS = 16
MAX_SUBSCRIPTIONS = 32

HISTORYS = frozenset({"table_make_port", "table_describe", "emit_legacy_row_path_names"})
"""What a viewer asks for of a table that is not its own, when it opens it and when it draws a chart: names of requests,
and of a part of a viewport. Of history it may; of the live table the page asks nothing of the kind."""

LAST_SORT = 8
MAX_COLUMNS = 4096
MAX_SORTS = 16
MAX_FILTERS = 16
MAX_FILTER_VALUES = 1000
MAX_NAME = 256

FILTER_OPS = {
    *("==", "!=", ">", ">=", "<", "<=", "in", "not in", "contains", "not contains"),
    *("begins with", "not begins with", "ends with", "not ends with", "is null", "is not null"),
}
"""All of Perspective's but `matches`, a regular expression that runs for as long as its author likes."""


def known_words(config: Message) -> bool:
    """Whether the numbers in a configuration that stand for words do: others end Perspective's own parser."""
    return (
        all(0 <= each.op <= LAST_SORT for each in config.sort)
        and config.filter_op in (0, 1)
        and config.group_rollup_mode in (0, 1, 2)
        and config.split_rollup_mode in (0, 1)
    )


def flat(config: Message) -> str | None:
    """Why a view of this configuration is refused, or None: columns, sorts and filters are for the server to do.

    Pivots and expressions are for the viewer's own engine, which is where the page computes them. In the server they
    would cost everybody's time, and some of them its life.
    """
    columns = config.columns.columns.columns
    if not known_words(config):
        return "that is no configuration of a view"
    if config.group_by or config.split_by or config.aggregates or config.group_rollup_mode:
        return "pivots are computed in the viewer: make a table of this one's rows there"
    if config.expressions:
        return "expressions are computed in the viewer: make a table of this one's rows there"
    if len(set(columns)) < len(columns) or len(config.sort) > MAX_SORTS or len(config.filter) > MAX_FILTERS:
        return "a column twice, or too many sorts or filters"
    for each in config.filter:
        if each.op not in FILTER_OPS:
            return f"there is no filter {each.op[:20]!r} here"
        if not each.value or len(each.value) > MAX_FILTER_VALUES:
            return "a filter needs a value, and not too many"
        if any(not value.ListFields() for value in each.value):
            return "a filter's value is empty"
    return None


def pushed_down(config: Message) -> str | None:
    """Why a view of history of this configuration is refused, or None: no more of anything than somebody would ask for.

    What it asks for is looked at by history, which makes SQL of it, in a process of its own.
    """
    asked = (config.group_by, config.columns.columns.columns, config.aggregates, config.sort, config.filter)
    if not known_words(config):
        return "that is no configuration of a view"
    if config.split_by or config.expressions:
        return "history has no expressions and no split: group by more columns instead"
    if any(len(each) > MAX_COLUMNS for each in asked) or any(
        len(each.value) > MAX_FILTER_VALUES for each in config.filter
    ):
        return "that is more than anybody would ask for"
    return None


@dataclass
class Requests:
    """The requests of one viewer. `taken` are the names that the views of all viewers have, and those of tables.

    `refusal` says of a view's configuration why it is refused, or None; `more` are requests that pass besides.
    """

    taken: set[str]
    refusal: Callable[[Message], str | None] = flat
    more: frozenset[str] = frozenset()
    views: set[str] = field(default_factory=set)
    subscriptions: set[tuple[str, int]] = field(default_factory=set)

    def check(self, message: bytes) -> bytes:
        """The message as it may be handed on. Raises Malformed, or Refused with what to answer."""
        request, name = parse(message)
        if not self.more.issuperset(HISTORYS & {name, *viewport_parts(getattr(request, name))}):
            raise Refused(request, CHANGES)
        if name == "table_make_view":
            self._make_view(request)
        elif name == "table_describe" and (refusal := self.refusal(request.table_describe.config)):
            raise Refused(request, refusal)
        elif name.startswith("view_"):
            if request.entity_id not in self.views:
                raise Refused(request, "that is no view of yours")
            if name == "view_delete":
                self.views.discard(request.entity_id)
                self.taken.discard(request.entity_id)
        self._subscribe(request, name)
        return bytes(request.SerializeToString())

    def close(self) -> None:
        """Give the names of the viewer's views back."""
        self.taken -= self.views
        self.views.clear()

    def _make_view(self, request: Message) -> None:
        """Let a flat view of the viewer's own pass."""
        body = request.table_make_view
        refusal = self.refusal(body.config)
        if not 0 < len(body.view_id) <= MAX_NAME or body.view_id in self.taken:
            refusal = "a view needs a name of its own"
        elif len(self.views) >= MAX_VIEWS:
            refusal = f"a viewer may have {MAX_VIEWS} views at a time"
        if refusal:
            raise Refused(request, refusal)
        self.views.add(body.view_id)
        self.taken.add(body.view_id)

    def _subscribe(self, request: Message, name: str) -> None:
        """Count what is to be told again and again."""
        if name in _REMOVALS:
            self.subscriptions.discard((_REMOVALS[name], getattr(request, name).id))
        elif name in _REMOVALS.values() and (name != "get_hosted_tables" or request.get_hosted_tables.subscribe):
            if len(self.subscriptions) >= MAX_SUBSCRIPTIONS:
                raise Refused(request, f"a viewer may have {MAX_SUBSCRIPTIONS} subscriptions at a time")
            self.subscriptions.add((name, request.msg_id))


_REMOVALS = {
    "view_remove_on_update": "view_on_update",
    "view_remove_delete": "view_on_delete",
    "table_remove_delete": "table_on_delete",
    "remove_hosted_tables_update": "get_hosted_tables",
}


def viewport_parts(body: Message) -> set[str]:
    """The names of what a request's viewport says; none where it has no viewport."""
    if "viewport" not in body.DESCRIPTOR.fields_by_name:
        return set()
    return {field.name for field, _ in body.viewport.ListFields()}
