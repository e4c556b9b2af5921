"""What a viewer may ask of a Perspective server: its messages taken apart, checked, and put together again.

Perspective's handler hands every message on to an engine that does what it says: any client may delete the table.
And the engine (5.6.1) is not made for hostile hands: an empty message, a filter without a value, or a pivot whose
depth is changed, and the process is gone. So nothing reaches it but what is understood here in full: a message is
parsed by the description below, which knows only the requests that viewing needs, checked, and encoded anew.
The field numbers are those of Perspective's `perspective.proto`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError, Message

MAX_MESSAGE_BYTES = 64 * 1024
"""More than any viewer's request needs."""

MAX_VIEWS = 16
MAX_SUBSCRIPTIONS = 32
CHANGES = "this request would change something, or asks for what this server does not do"

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

_MESSAGES = {
    "Empty": "",
    "Viewport": "1 start_row uint32, 2 start_col uint32, 3 end_row uint32, 4 end_col uint32,"
    " 5 emit_legacy_row_path_names bool",
    "Columns": "1 columns string*",
    "ColumnsUpdate": "1 default_columns int32, 2 columns Columns",
    "Scalar": "1 bool bool, 4 float double, 6 string string, 7 null int32",
    "Filter": "1 column string, 2 op string, 3 value Scalar*",
    "Sort": "1 column string, 2 op int32",
    "Entry": "1 key string, 2 value bytes",
    "ViewConfig": "1 group_by string*, 2 split_by string*, 3 columns ColumnsUpdate, 4 filter Filter*, 5 sort Sort*,"
    " 6 expressions Entry*, 7 aggregates Entry*, 8 filter_op int32, 9 group_by_depth uint32,"
    " 10 group_rollup_mode int32, 12 split_rollup_mode int32",
    "HostedTables": "1 subscribe bool",
    "MakeView": "1 view_id string, 2 config ViewConfig",
    "Describe": "1 config ViewConfig",
    "ToArrow": "1 viewport Viewport, 2 compression string",
    "ToText": "1 viewport Viewport, 2 id bool, 3 index bool, 4 formatted bool",
    "ToCsv": "1 viewport Viewport",
    "ColumnPaths": "1 start_col uint32, 2 end_col uint32",
    "MinMax": "1 column_name string",
    "OnUpdate": "1 mode int32",
    "Id": "1 id uint32",
    "RowIndex": "1 row_index uint32",
    "Depth": "1 depth uint32",
    "Request": "1 msg_id uint32, 2 entity_id string,"
    " 3 get_features Empty, 4 get_hosted_tables HostedTables, 5 table_make_port Empty, 6 table_make_view MakeView,"
    " 7 table_schema Empty, 8 table_size Empty, 9 table_validate_expr Empty, 10 view_column_paths ColumnPaths,"
    " 11 view_delete Empty, 12 view_dimensions Empty, 13 view_expression_schema Empty, 14 view_get_config Empty,"
    " 15 view_schema Empty, 16 view_to_arrow ToArrow, 17 server_system_info Empty, 18 view_collapse RowIndex,"
    " 19 view_expand RowIndex, 20 view_get_min_max MinMax, 21 view_on_update OnUpdate, 22 view_remove_on_update Id,"
    " 23 view_set_depth Depth, 24 view_to_columns_string ToText, 25 view_to_csv ToCsv, 26 view_to_rows_string ToText,"
    " 29 table_on_delete Empty, 30 table_remove_delete Id, 34 view_on_delete Empty, 35 view_remove_delete Id,"
    " 36 view_to_ndjson_string ToText, 37 remove_hosted_tables_update Id, 41 table_describe Describe",
    "ServerError": "1 message string",
    "Made": "1 view_id string",
    "Response": "1 msg_id uint32, 2 entity_id string, 6 table_make_view Made, 11 view_delete Empty,"
    " 18 view_collapse Empty, 19 view_expand Empty, 21 view_on_update Empty, 22 view_remove_on_update Empty,"
    " 23 view_set_depth Empty, 34 view_on_delete Empty, 35 view_remove_delete Empty, 50 server_error ServerError",
}
"""Messages: the number, name and type of each field, `*` where it may come many times."""


def _message_classes() -> dict[str, type[Message]]:
    """The messages above as protobuf's classes.

    In the second version of its syntax, which keeps a field that was sent with its default value.
    """
    file = descriptor_pb2.FileDescriptorProto(name="viewer_requests.proto", package="viewer", syntax="proto2")
    kinds = descriptor_pb2.FieldDescriptorProto
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for number, field_name, kind in (text.split() for text in fields.split(",") if text):
            label = kinds.LABEL_REPEATED if kind.endswith("*") else kinds.LABEL_OPTIONAL
            kind = kind.rstrip("*")
            made = message.field.add(name=field_name, number=int(number), label=label)
            if kind in _MESSAGES:
                made.type, made.type_name = kinds.TYPE_MESSAGE, f".viewer.{kind}"
            else:
                made.type = getattr(kinds, f"TYPE_{kind.upper()}")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"viewer.{name}")) for name in _MESSAGES}


_CLASSES = _message_classes()


class Malformed(Exception):
    """A message that is none of Perspective's, or holds no number to answer it by."""


class Refused(Exception):
    """A request that a viewer may not make; `answer` is the encoded response that says so."""

    def __init__(self, request: Message, reason: str) -> None:
        super().__init__(reason)
        self.answer = _error(request, f"read-only: {reason}")


def _error(request: Message, text: str) -> bytes:
    return head(request.msg_id, request.entity_id) + tail("server_error", message=text)


def encoded(**fields: Any) -> bytes:
    """A request, of these fields."""
    return bytes(_CLASSES["Request"](**fields).SerializeToString())


def head(msg_id: int, entity_id: str) -> bytes:
    """How the response to a request about a table or view begins; what follows does not depend on who has asked."""
    return bytes(_CLASSES["Response"](msg_id=msg_id, entity_id=entity_id).SerializeToString())


def tail(name: str, **fields: Any) -> bytes:
    """How the response to a request of this name ends."""
    return bytes(_CLASSES["Response"](**{name: fields}).SerializeToString())


def failure(message: bytes, text: str) -> bytes:
    """The response that says why a request, which passed, has no other answer."""
    return _error(_CLASSES["Request"].FromString(message), text)


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

    What it asks for is looked at by history.py, which makes SQL of it, in a process of its own.
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


def parse(message: bytes) -> tuple[Message, str]:
    """A message and the name of the one request in it. Raises Malformed, or Refused for what viewing does not need."""
    try:
        request = _CLASSES["Request"].FromString(message)
        known = _CLASSES["Request"].FromString(message)
        known.DiscardUnknownFields()
        check_text(request)
    except (DecodeError, UnicodeError):
        raise Malformed from None
    if not request.HasField("msg_id"):
        raise Malformed
    if known.ByteSize() != request.ByteSize():
        raise Refused(request, CHANGES)
    names = [field.name for field, _ in request.ListFields() if field.message_type is not None]
    if len(names) != 1:
        raise Refused(request, "one request a message")
    return request, names[0]


def viewport_parts(body: Message) -> set[str]:
    """The names of what a request's viewport says; none where it has no viewport."""
    if "viewport" not in body.DESCRIPTOR.fields_by_name:
        return set()
    return {field.name for field, _ in body.viewport.ListFields()}


def check_text(message: Message) -> None:
    """Raise UnicodeError where a string of the message is not UTF-8: protobuf lets it through, as bytes."""
    for field_, value in message.ListFields():
        for part in value if field_.is_repeated else [value]:
            if field_.message_type is not None:
                check_text(part)
            elif field_.type == field_.TYPE_STRING and isinstance(part, bytes):
                raise UnicodeError
