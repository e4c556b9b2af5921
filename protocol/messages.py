"""Perspective's messages, taken apart and put together: the part of its protobuf that viewing a table needs.

The field numbers are those of Perspective's `perspective.proto`. A message with anything in it that is not described
here is told apart from one that is understood in full.
"""

import zlib
from functools import cached_property
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError, Message

CHANGES = "this request would change something, or asks for what this server does not do"

MOST_DEFLATED = 2**20
"""Bytes that are deflated at most: it takes 8 ms, in which nobody else is answered."""

_MESSAGES = {
    "Empty": "",
    "Viewport": "1 start_row uint32, 2 start_col uint32, 3 end_row uint32, 4 end_col uint32,"
    " 5 emit_legacy_row_path_names bool",
    "Columns": "1 columns string*",
    "ColumnsUpdate": "1 default_columns int32, 2 columns Columns",
    "Scalar": "1 bool bool, 4 float double, 6 string string, 7 null int32",
    "Filter": "1 column string, 2 op string, 3 value Scalar*",
    "Sort": "1 column string, 2 op int32",
    "Expression": "1 key string, 2 value string",
    "AggList": "1 aggregations string*",
    "Aggregate": "1 key string, 2 value AggList",
    "Order": "1 column string, 2 desc bool",
    "WindowSpec": "2 source string, 3 op string, 4 partition_by string*, 5 order_by Order, 6 rows uint32,"
    " 7 range double, 8 cumulative int32, 9 offset uint32, 10 alpha double",
    "Window": "1 key string, 2 value WindowSpec",
    "ViewConfig": "1 group_by string*, 2 split_by string*, 3 columns ColumnsUpdate, 4 filter Filter*, 5 sort Sort*,"
    " 6 expressions Expression*, 7 aggregates Aggregate*, 8 filter_op int32, 9 group_by_depth uint32,"
    " 10 group_rollup_mode int32, 11 windows Window*, 12 split_rollup_mode int32",
    "HostedTables": "1 subscribe bool",
    "MakeView": "1 view_id string, 2 config ViewConfig",
    "Describe": "1 config ViewConfig",
    "Validate": "1 column_to_expr Expression*",
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
    " 7 table_schema Empty, 8 table_size Empty, 9 table_validate_expr Validate, 10 view_column_paths ColumnPaths,"
    " 11 view_delete Empty, 12 view_dimensions Empty, 13 view_expression_schema Empty, 14 view_get_config Empty,"
    " 15 view_schema Empty, 16 view_to_arrow ToArrow, 17 server_system_info Empty, 18 view_collapse RowIndex,"
    " 19 view_expand RowIndex, 20 view_get_min_max MinMax, 21 view_on_update OnUpdate, 22 view_remove_on_update Id,"
    " 23 view_set_depth Depth, 24 view_to_columns_string ToText, 25 view_to_csv ToCsv, 26 view_to_rows_string ToText,"
    " 29 table_on_delete Empty, 30 table_remove_delete Id, 34 view_on_delete Empty, 35 view_remove_delete Id,"
    " 36 view_to_ndjson_string ToText, 37 remove_hosted_tables_update Id, 41 table_describe Describe",
    "ServerError": "1 message string",
    "Arrow": "1 arrow bytes",
    "Hosted": "1 entity_id string, 2 index string, 3 limit uint32",
    "AllHosted": "1 table_infos Hosted*",
    "Update": "1 delta bytes",
    "Port": "1 port_id uint32",
    "Made": "1 view_id string",
    "Dimensions": "1 num_table_rows uint32, 2 num_table_columns uint32, 3 num_view_rows uint32,"
    " 4 num_view_columns uint32",
    "Response": "1 msg_id uint32, 2 entity_id string, 4 get_hosted_tables AllHosted,"
    " 5 table_make_port Port, 6 table_make_view Made,"
    " 11 view_delete Empty, 12 view_dimensions Dimensions, 16 view_to_arrow Arrow, 18 view_collapse Empty,"
    " 19 view_expand Empty, 21 view_on_update Update, 22 view_remove_on_update Empty, 23 view_set_depth Empty,"
    " 30 table_remove_delete Empty, 34 view_on_delete Empty, 35 view_remove_delete Empty,"
    " 37 remove_hosted_tables_update Empty, 50 server_error ServerError",
}
"""Messages: the number, name and type of each field, `*` where it may come many times."""


def _message_classes() -> dict[str, type[Message]]:
    """The messages above as protobuf's classes.

    In the second version of its syntax, which keeps a field that was sent with its default value.
    """
    file = descriptor_pb2.FileDescriptorProto(name="messages.proto", package="viewer", syntax="proto2")
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


class Shared(bytes):
    """How answers to many viewers end, deflated for all of them at once."""

    @cached_property
    def deflated(self) -> bytes | None:
        """As the end of a websocket's message, without reference to what is before it; None where it is too long."""
        if len(self) > MOST_DEFLATED:
            return None
        deflate = zlib.compressobj(1, zlib.DEFLATED, -zlib.MAX_WBITS)
        return (deflate.compress(self) + deflate.flush(zlib.Z_SYNC_FLUSH)).removesuffix(b"\0\0\xff\xff")


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
    entity = {"entity_id": entity_id} if entity_id else {}  # as Perspective does: no name is no field
    return bytes(_CLASSES["Response"](msg_id=msg_id, **entity).SerializeToString())


def tail(name: str, **fields: Any) -> bytes:
    """How the response to a request of this name ends."""
    return bytes(_CLASSES["Response"](**{name: fields}).SerializeToString())


def response(message: bytes) -> Message:
    """A response, of which only the parts described above are understood."""
    return _CLASSES["Response"].FromString(message)


def says_nothing(body: Message) -> bool:
    """Whether a request's body leaves everything as it is by default, as one does that says nothing."""
    return all(
        all(map(says_nothing, value if field.is_repeated else [value])) and not field.is_repeated
        if field.message_type is not None
        else not field.is_repeated and value == field.default_value
        for field, value in body.ListFields()
    )


def failure(message: bytes, text: str) -> bytes:
    """The response that says why a request, which passed, has no other answer."""
    return _error(_CLASSES["Request"].FromString(message), text)


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


def check_text(message: Message) -> None:
    """Raise UnicodeError where a string of the message is not UTF-8: protobuf lets it through, as bytes."""
    for field_, value in message.ListFields():
        for part in value if field_.is_repeated else [value]:
            if field_.message_type is not None:
                check_text(part)
            elif field_.type == field_.TYPE_STRING and isinstance(part, bytes):
                raise UnicodeError
