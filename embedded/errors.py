"""TDengine's errors: a code, as taosAdapter sends it (a positive int of 16 bits), and a message."""

ADAPTER = 0xFFFF
GENERIC = 0x0110
INVALID_PARAMETER = 0x0118
DECIMAL_OVERFLOW = 0x013D
INVALID_OPERATION = 0x0200
CANCELLED = 0x020F
INSERT_SYNTAX = 0x0216
STATEMENT_TOO_LONG = 0x0219
STMT_TABLE_MISSING = 0x022B
AUTHENTICATION = 0x0357
STABLE_MISSING = 0x0362
FUNCTION_MISSING = 0x0374
DATABASE_EXISTS = 0x0381
DATABASE_MISSING = 0x0388
TABLE_EXISTS = 0x0603
TIMESTAMP_RANGE = 0x060B
MEMORY_EXHAUSTED = 0x073A
TIMEOUT = 0x2504
SYNTAX = 0x2600
INCOMPLETE = 0x2601
COLUMN_MISSING = 0x2602
TABLE_MISSING = 0x2603
AMBIGUOUS_COLUMN = 0x2604
WRONG_VALUE_TYPE = 0x2605
NO_AGGREGATE_HERE = 0x2608
ORDER_POSITION = 0x2609
NOT_GROUPED = 0x260A
NOT_SELECTED = 0x260B
NOT_SINGLE_GROUP = 0x260C
TAGS_NOT_MATCHED = 0x260D
TAG_MISSING = 0x260E
INTERVAL_TOO_SMALL = 0x2615
NO_DATABASE = 0x2616
IDENTIFIER = 0x2617
DATABASE_OPTION = 0x2619
GROUP_AND_WINDOW = 0x2624
NESTED_AGGREGATE = 0x2627
STATE_TYPE = 0x2628
STATE_TAG = 0x2629
SESSION_GAP = 0x262B
SESSION_COLUMN = 0x262C
OFFSET_TOO_BIG = 0x262F
SLIDING_OF_MONTHS = 0x2630
SLIDING_TOO_BIG = 0x2631
SLIDING_TOO_SMALL = 0x2632
ONLY_ONE_JSON_TAG = 0x2633
COLUMN_COUNT_DIFFERS = 0x2634
TIMESTAMP_VALUE = 0x2635
SLIMIT_WITHOUT_PARTITION = 0x2638
DROP_IN_BATCH = 0x263A
FILL_RANGE = 0x263B
DUPLICATED_COLUMN = 0x263C
TAGS_LENGTH = 0x263D
ROW_LENGTH = 0x263E
COLUMN_COUNT = 0x263F
FIRST_COLUMN = 0x2641
COLUMN_LENGTH = 0x2642
ALTER_TABLE = 0x2649
MODIFY_COLUMN = 0x264B
TBNAME = 0x264C
NOT_ALLOWED_FUNCTION = 0x264F
NO_WINDOW_TIME = 0x2650
JSON_COLUMN = 0x2652
VALUE_TOO_LONG = 0x2653
DELETE_RANGE = 0x2655
WINDOW_COLUMN = 0x2658
INTERP_COLUMN = 0x265C
INTERP_CLAUSE = 0x265D
NO_FUNCTION_IN_WINDOW = 0x265E
SINGLE_TABLE_ONLY = 0x265F
TAGS_OF_PLAIN = 0x2665
KEY_NOT_SECOND = 0x2678
KEY_TYPE = 0x2679
KEY_NULL = 0x267B
VARBINARY_VALUE = 0x266A
ROW_FUNCTIONS_MIXED = 0x2680
COLS_FUNCTION = 0x2687
JOIN_WITHOUT_TIME = 0x2701
CROSS_JOIN = 0x2702
FUNCTION = 0x2800
PARAMETER_COUNT = 0x2801
PARAMETER_TYPE = 0x2802
PARAMETER_VALUE = 0x2803
DUPLICATE_TIMES = 0x2805
TO_TIMESTAMP_FORMAT = 0x2806
TO_TIMESTAMP_VALUE = 0x2807
TIME_UNIT = 0x280A
TIME_UNIT_TOO_SMALL = 0x280B
PARAMETER_RANGE = 0x2811
NOT_PRIMARY_TIME = 0x2812

TOO_LONG_A_RESULT = "a result of more bytes than a VARCHAR holds"

_MESSAGE_BYTES = 511


class TDengineError(Exception):
    """An error that the client is told about.

    `code` is TDengine's code without its sign bit (0x2603, not 0x80002603, which overflows the client's i32).
    """

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return f"[0x{self.code:04X}] {self.message}"


def syntax_error(rest: str) -> TDengineError:
    """What TDengine's SQL parser says: `rest` is the text from the first token that does not fit to the end."""
    if not rest:
        return TDengineError(INCOMPLETE, "Incomplete SQL statement")
    message = f'syntax error near "{rest}"'.encode()
    return TDengineError(SYNTAX, message[:_MESSAGE_BYTES].decode(errors="ignore"))


def insert_error(near: str, reason: str) -> TDengineError:
    """What TDengine's separate INSERT parser says; it quotes at most 63 bytes of the statement (parUtil.c)."""
    quoted = near.encode()[:63].decode(errors="ignore")
    return TDengineError(INSERT_SYNTAX, f"syntax error near '{quoted}' ({reason})")


def unsupported(what: str) -> TDengineError:
    """For SQL that TDengine may well know and this server does not: say so rather than guess."""
    return TDengineError(INVALID_OPERATION, f"the embedded stand-in server does not know {what}")
