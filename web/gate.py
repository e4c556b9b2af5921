"""What a viewer may ask of a Perspective server: its messages taken apart, checked, and put together again.

Perspective's handler hands every message on to an engine that does what it says: any client may delete the table. And
the engine (5.6.1) is not made for hostile hands: an empty message, a filter without a value, or a column far beyond the
last one, and the process is gone. So nothing is passed on but what is understood here in full: a message is parsed by
protocol/messages.py, which knows only the requests that viewing needs, checked, and encoded anew. What a number may be
at most where that depends on the view, the process that has the view looks at (live/engine.py, history/handler.py).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from google.protobuf.message import Message

from protocol.messages import Refused, parse

MAX_MESSAGE_BYTES = 64 * 1024
"""More than any viewer's request needs."""

MAX_VIEWS = 16
MAX_SUBSCRIPTIONS = 32

LAST_SORT = 8
MAX_COLUMNS = 4096
MAX_GROUPS = 16
"""Columns that are grouped, split, sorted or filtered by, of each."""
MAX_FILTER_VALUES = 1000
MAX_EXPRESSIONS = 32
MAX_NAME = 256
MAX_NUMBER = 2**31 - 1
"""The greatest row, column or depth that anything can have."""

MAX_FRAME = 2**20
"""How many rows a window computation may look at."""

TOO_MUCH = "that is more than anybody would ask for"

FILTER_OPS = {
    *("==", "!=", ">", ">=", "<", "<=", "in", "not in", "contains", "not contains", "matches", "not matches"),
    *("begins with", "not begins with", "ends with", "not ends with", "is null", "is not null"),
}
"""All of Perspective's."""


def known_words(config: Message) -> bool:
    """Whether the numbers in a configuration that stand for words do: others end Perspective's own parser."""
    return (
        all(0 <= each.op <= LAST_SORT for each in config.sort)
        and config.filter_op in (0, 1)
        and config.group_rollup_mode in (0, 1, 2)
        and config.split_rollup_mode in (0, 1)
        and config.group_by_depth <= len(config.group_by)
        and all(each.value.aggregations for each in config.aggregates)
    )


def computed(config: Message) -> str | None:
    """Why a view of the live table of this configuration is refused, or None: no more of anything than can be of use.

    What it asks for is computed by the viewers' engine, in a process of its own, with bounds on its memory and time.
    """
    columns = config.columns.columns.columns
    if not known_words(config):
        return "that is no configuration of a view"
    if len(set(columns)) < len(columns):
        return "a column twice"
    if (
        max(len(columns), len(config.aggregates)) > MAX_COLUMNS
        or max(len(config.group_by), len(config.split_by), len(config.sort), len(config.filter)) > MAX_GROUPS
        or max(len(config.expressions), len(config.windows)) > MAX_EXPRESSIONS
    ):
        return TOO_MUCH
    for each in config.filter:
        if each.op not in FILTER_OPS:
            return f"there is no filter {each.op[:20]!r} here"
        if not each.value or len(each.value) > MAX_FILTER_VALUES:
            return "a filter needs a value, and not too many"
        if any(not value.ListFields() for value in each.value):
            return "a filter's value is empty"
    for window in config.windows:
        spec = window.value
        if max(spec.rows, spec.offset) > MAX_FRAME or not (math.isfinite(spec.range) and math.isfinite(spec.alpha)):
            return "a window of so many rows"
    return None


def pushed_down(config: Message) -> str | None:
    """Why a view of history of this configuration is refused, or None: no more of anything than somebody would ask for.

    What it asks for is looked at by history, which makes SQL of it, in a process of its own.
    """
    if config.expressions or config.windows:
        return "history has no expressions"
    return describable(config)


def describable(config: Message) -> str | None:
    """The same of what a viewer only wants to know about: whether text that somebody types is an expression, say.

    History's own answer to that is that it is none, which the viewer takes better than a refusal.
    """
    asked = (config.group_by, config.columns.columns.columns, config.aggregates, config.sort, config.filter)
    if not known_words(config):
        return "that is no configuration of a view"
    if max(len(config.split_by), len(config.expressions), len(config.windows)) > MAX_EXPRESSIONS:
        return TOO_MUCH
    if any(len(each) > MAX_COLUMNS for each in asked) or any(
        len(each.value) > MAX_FILTER_VALUES for each in config.filter
    ):
        return TOO_MUCH
    return None


def without_expressions(_request: Message, name: str) -> str | None:
    """Why a question about history is refused, or None: Perspective's virtual server (5.6.1) ends its process on it."""
    return "history has no expressions" if name == "table_validate_expr" else None


def anything(_request: Message, _name: str) -> str | None:
    """Of the live table everything may be asked that is asked in the right form."""
    return None


@dataclass
class Requests:
    """The requests of one viewer. `taken` are the names that the views of all viewers have, and those of tables.

    `refusal` says of a view's configuration why it is refused, or None, `described` of one that is only asked about,
    and `limit` the same of any request.
    """

    taken: set[str]
    refusal: Callable[[Message], str | None] = computed
    described: Callable[[Message], str | None] = computed
    limit: Callable[[Message, str], str | None] = anything
    views: set[str] = field(default_factory=set)
    subscriptions: set[tuple[str, int]] = field(default_factory=set)

    def check(self, message: bytes) -> bytes:
        """The message as it may be handed on. Raises Malformed, or Refused with what to answer."""
        request, name = parse(message)
        if refusal := out_of_bounds(request_body(request, name), name) or self.limit(request, name):
            raise Refused(request, refusal)
        if name == "table_make_view":
            self._make_view(request)
        elif name == "table_describe" and (refusal := self.described(request.table_describe.config)):
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
        """Let a view of the viewer's own pass."""
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
            subscription = _REMOVALS[name], request_body(request, name).id
            if subscription not in self.subscriptions:
                raise Refused(request, "that is no subscription of yours")
            self.subscriptions.discard(subscription)
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


def request_body(request: Message, name: str) -> Message:
    """What the request of that name says."""
    body: Message = getattr(request, name)
    return body


def out_of_bounds(body: Message, name: str) -> str | None:
    """Why the numbers of a request are refused, or None: none of them can be that of anything, or an end is first."""
    if name in ("view_collapse", "view_expand") and body.row_index > MAX_NUMBER:
        return "there is no such row"
    if name == "view_set_depth" and body.depth > MAX_GROUPS:
        return "there is no such depth"
    if name == "view_on_update" and body.mode != 0:
        return "there is no such mode"
    if name == "table_validate_expr" and len(body.column_to_expr) > MAX_EXPRESSIONS:
        return TOO_MUCH
    window = body if name == "view_column_paths" else body.viewport if name.startswith("view_to_") else None
    for axis in ("row", "col"):
        begin, end = f"start_{axis}", f"end_{axis}"
        if window is None or begin not in window.DESCRIPTOR.fields_by_name:
            continue
        if getattr(window, begin) > MAX_NUMBER:
            return f"there is no such {axis}"
        if window.HasField(end) and getattr(window, begin) > getattr(window, end):
            return "a part begins before it ends"
    return None
