"""The sqlglot dialect of TDengine, and the reader that all statements but INSERT are read with.

Of sqlglot's parser only the ladder of operators is used (OR, AND, NOT, comparisons, arithmetic). What stands below and
above it is read by rules of our own, because the stock rules accept what TDengine refuses and return wrong trees
without an error: an unknown clause becomes an alias, a missing AND of BETWEEN goes unnoticed, a function of another
database gets that database's meaning.
"""

import typing as t
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlglot import exp, tokens
from sqlglot.dialects.dialect import Dialect
from sqlglot.parser import Parser
from sqlglot.tokenizer_core import Token, TokenType

from embedded import types
from embedded.errors import SYNTAX, TDengineError, syntax_error, unsupported
from embedded.sql import scanner
from embedded.sql.conditions import is_condition
from embedded.sql.statements import TableName
from embedded.types import Type

_SYMBOLS = {
    "(": TokenType.L_PAREN,
    ")": TokenType.R_PAREN,
    ",": TokenType.COMMA,
    ".": TokenType.DOT,
    "*": TokenType.STAR,
    "+": TokenType.PLUS,
    "-": TokenType.DASH,
    "/": TokenType.SLASH,
    "%": TokenType.MOD,
    "=": TokenType.EQ,
    "==": TokenType.EQ,
    "<>": TokenType.NEQ,
    "!=": TokenType.NEQ,
    "<": TokenType.LT,
    "<=": TokenType.LTE,
    ">": TokenType.GT,
    ">=": TokenType.GTE,
    "&": TokenType.AMP,
    "|": TokenType.PIPE,
    "?": TokenType.PLACEHOLDER,
    ";": TokenType.SEMICOLON,
    "->": TokenType.ARROW,
}
_SORTS = {
    scanner.STRING: TokenType.STRING,
    scanner.QUOTED: TokenType.IDENTIFIER,
    scanner.INTEGER: TokenType.NUMBER,
    scanner.FLOAT: TokenType.NUMBER,
    scanner.DURATION: TokenType.INTERVAL,
}
_UNEXPECTED = TokenType.COMMAND
_LIST = TokenType.ARRAY

# Keywords that are functions when a parenthesis follows.
_FUNCTION_KEYWORDS_TEXT = """
    count first last last_row now today timezone database client_version server_version server_status current_user
    user rand pi replace substr substring position trim cols
"""
_FUNCTION_KEYWORDS = frozenset(_FUNCTION_KEYWORDS_TEXT.split())
_PSEUDO_COLUMNS_TEXT = """
    tbname _rowts _c0 _wstart _wend _wduration _qstart _qend _qduration _irowts _irowts_origin _isfilled
"""
PSEUDO_COLUMNS = frozenset(_PSEUDO_COLUMNS_TEXT.split())
_OTHER_PSEUDO_COLUMNS = frozenset(["_tags", "_flow", "_fhigh", "_frowts"])
MOST_DEPTH = 60
"""How deep parentheses and subqueries may nest: beyond that TDengine's parser gives up, too."""
_FUNCTION_KEYWORDS_BARE = frozenset(["now", "today", "timezone"])
_CAST_DEFAULT_LENGTH = 64


class TDengine(Dialect):
    """Tokens by our own scanner, which knows TDengine's strings, durations and keywords."""

    class Tokenizer(tokens.Tokenizer):
        def tokenize(self, sql: str) -> list[Token]:
            return list(_tokens(sql))


def _tokens(sql: str, start: int = 0) -> t.Iterator[Token]:
    at: int | None = start
    while at is not None:
        at = yield from _tokens_to_list(sql, at)


def _tokens_to_list(sql: str, start: int) -> t.Generator[Token, None, int | None]:
    """The tokens up to the end, or up to a long list of literals after IN, which is one; returns where it ends."""
    for token in scanner.scan(sql, start):
        if token.sort == scanner.END:
            return None
        text = token.text
        if token.sort == scanner.WORD:
            kind = _UNEXPECTED if text in scanner.KEYWORDS else TokenType.VAR
        elif token.sort == scanner.SYMBOL:
            kind = _SYMBOLS.get(text, _UNEXPECTED)
        else:
            kind = _SORTS.get(token.sort, _UNEXPECTED)
        if kind is TokenType.STRING:
            text = scanner.unquote(text)
        elif kind is TokenType.IDENTIFIER:
            text = token.name()
        yield Token(kind, text, start=token.start, end=token.end - 1)
        if text == "in" and kind is _UNEXPECTED and (listed := scanner.literal_list(sql, token.end)):
            yield Token(_LIST, sql[listed[0] : listed[1]], start=listed[0], end=listed[1] - 1)
            return listed[1]
    return None


class Reader(Parser):
    """Reads tokens of one statement (already in lower case outside quotes).

    A statement that does not fit raises TDengine's syntax error, which quotes the text from the first token that does
    not.
    """

    UNARY_PARSERS: t.ClassVar = {
        TokenType.PLUS: lambda reader: reader._parse_unary(),
        TokenType.DASH: lambda reader: exp.Neg(this=reader._parse_unary()),
    }
    BITWISE: t.ClassVar = {TokenType.AMP: exp.BitwiseAnd, TokenType.PIPE: exp.BitwiseOr}
    TERM: t.ClassVar = {TokenType.DASH: exp.Sub, TokenType.PLUS: exp.Add}
    FACTOR: t.ClassVar = {TokenType.SLASH: exp.Div, TokenType.STAR: exp.Mul, TokenType.MOD: exp.Mod}
    JSON_OPERATORS: t.ClassVar = {}

    def __init__(self, lowered: str, start: int = 0) -> None:
        super().__init__(dialect=TDengine)
        self.placeholders = 0
        self.sql = lowered
        self._depth = 0
        self._chunks = [list(_tokens(lowered, start))]
        self._chunk_index = 0
        self._advance_chunk()

    # What every rule is made of.

    def error(self, start: int | None = None) -> TDengineError:
        """The syntax error at the current token, or at `start`."""
        return syntax_error(self.sql[self.position() if start is None else start :])

    def position(self) -> int:
        """Where the current token starts; the statement's length at its end."""
        return self._curr.start if self._curr else len(self.sql)

    def text_since(self, start: int) -> str:
        """The source text from `start` to the end of the token read last."""
        return self.sql[start : self._prev.end + 1]

    def peek(self) -> str:
        """The current token as a word or symbol; empty for strings, quoted names and at the end."""
        return "" if not self._curr or self._curr.token_type in _WITHOUT_WORD else self._curr.text

    def peek_next(self) -> str:
        """The token after the current one, as `peek` gives it."""
        return "" if not self._next or self._next.token_type in _WITHOUT_WORD else self._next.text

    def accept(self, *words: str) -> bool:
        """Consume these words or symbols if all of them come next."""
        index = self._index
        for word in words:
            if self.peek() != word:
                self._retreat(index)
                return False
            self._advance()
        return True

    def expect(self, *words: str) -> None:
        """Consume these words or symbols or raise."""
        for word in words:
            if not self.accept(word):
                raise self.error()

    def clause(self, first: str, *rest: str) -> bool:
        """Whether a clause such as GROUP BY comes next; after its first word the rest must follow."""
        if not self.accept(first):
            return False
        self.expect(*rest)
        return True

    def one_of(self, words: t.Container[str]) -> str | None:
        """Consume and return the current word if it is one of `words`."""
        word = self.peek()
        if not word or word not in words:
            return None
        self._advance()
        return word

    def at_end(self) -> bool:
        """Whether all of the statement is read; a semicolon may follow."""
        return not self._curr or (self.peek() == ";" and not self._next)

    def finish(self) -> None:
        """Raise unless all is read."""
        if not self.at_end():
            raise self.error()

    def at_name(self) -> bool:
        """Whether the current token can be a name."""
        return bool(self._curr) and self._curr.token_type in (TokenType.VAR, TokenType.IDENTIFIER)

    def name(self) -> str:
        """A name of a database, table, column or alias."""
        if not self.at_name():
            raise self.error()
        self._advance()
        return self._prev.text

    def string(self) -> str:
        """A string literal."""
        if not self._curr or self._curr.token_type is not TokenType.STRING:
            raise self.error()
        self._advance()
        return self._prev.text

    def integer(self) -> int:
        """An integer literal."""
        if not self._curr or self._curr.token_type is not TokenType.NUMBER or not self._curr.text.isdigit():
            raise self.error()
        self._advance()
        return int(self._prev.text)

    def duration(self) -> str:
        """A duration literal, as written."""
        if not self._curr or self._curr.token_type is not TokenType.INTERVAL:
            raise self.error()
        self._advance()
        return self._prev.text

    def table_name(self) -> TableName:
        """`table` or `database.table`."""
        first = self.name()
        return TableName(first, self.name()) if self.accept(".") else TableName(None, first)

    def listed(self, rule: Callable[[], t.Any]) -> list[t.Any]:
        """One or more of `rule`, separated by commas."""
        items = [rule()]
        while self.accept(","):
            items.append(rule())
        return items

    def parenthesised(self, rule: Callable[[], t.Any]) -> list[t.Any]:
        """`listed` in parentheses."""
        self.expect("(")
        items = self.listed(rule)
        self.expect(")")
        return items

    def type(self, default_length: int | None = None) -> Type:
        """A data type with its length, which only `default_length` lets a text type go without."""
        word = self.peek()
        kind = types.BY_NAME.get(word.upper())
        if kind is None or not self._curr or self._curr.token_type is TokenType.IDENTIFIER:
            raise unsupported(f"the type {word.upper()}") if word in ("blob", "mediumblob") else self.error()
        self._advance()
        if kind.decimal:
            digits = self.parenthesised(self.integer)
            if len(digits) > 2:
                raise self.error()
            precision, scale = digits if len(digits) == 2 else (digits[0], 0)
            if not 1 <= precision <= 38 or scale > precision:
                raise TDengineError(SYNTAX, f"Invalid decimal type: ({precision}, {scale})")
            return Type.decimal(precision, scale)
        if kind is types.JSON:
            return Type.of(kind, types.JSON_LENGTH)
        if kind.size:
            unsigned = types.BY_NAME.get(f"{word.upper()} UNSIGNED")
            return Type.of(unsigned) if unsigned is not None and self.accept("unsigned") else Type.of(kind)
        if default_length is not None and self.peek() != "(":
            return Type.of(kind, default_length)
        return Type.of(kind, self.parenthesised(self.integer)[0])

    # Expressions.

    def expression_node(self) -> exp.Expr:
        """An expression or condition (sql.y: common_expression)."""
        with self.deeper():
            return self._joined("or", exp.Or, lambda: self._joined("and", exp.And, self._negation))

    @contextmanager
    def deeper(self) -> Iterator[None]:
        """One level of nesting more; too many are a syntax error."""
        if self._depth == MOST_DEPTH:
            raise self.error()
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1

    def _joined(self, word: str, made: t.Callable[..., exp.Expr], rule: Callable[[], exp.Expr]) -> exp.Expr:
        """Conditions joined by AND or OR. What is no condition is left alone: the word then does not fit."""
        node = rule()
        while is_condition(node) and self.accept(word):
            node = made(this=node, expression=self._condition(rule))
        return node

    def many_literals(self) -> str | None:
        """The text of a long list of literals in parentheses, if one comes next."""
        if not self._curr or self._curr.token_type is not _LIST:
            return None
        self._advance()
        return self._prev.text

    def _condition(self, rule: Callable[[], exp.Expr]) -> exp.Expr:
        node = rule()
        if not is_condition(node):
            raise self.error()
        return node

    def _negation(self) -> exp.Expr:
        if not self.accept("not"):
            return self._predicate()
        node = exp.Not(this=self._condition(self._predicate))
        node.set("operator", True)
        return node

    def _predicate(self) -> exp.Expr:
        """An expression, or one with what makes a condition of it (sql.y: predicate)."""
        node = self.operand()
        if is_condition(node):
            return node
        comparison = _COMPARISONS.get(self.peek())
        if comparison is not None:
            self._advance()
            return comparison(this=node, expression=self._operand_of_condition())
        if self.accept("is"):
            negated = self.accept("not")
            self.expect("null")
            found: exp.Expr = exp.Is(this=node, expression=exp.Null())
            return exp.Not(this=found) if negated else found
        negated = self.peek() == "not" and self.peek_next() in _NEGATED
        if negated:
            self._advance()
        rule = _PREDICATES.get(self.peek())
        if rule is None:
            return node
        word = self.peek()
        self._advance()
        found = rule(self, node)
        return exp.Not(this=found) if negated or word == "nmatch" else found

    def _operand_of_condition(self) -> exp.Expr:
        start = self.position()
        node = self.operand()
        if is_condition(node):
            raise self.error(start)
        return node

    def operand(self) -> exp.Expr:
        """What a comparison compares: an expression without conditions, unless it is one in parentheses."""
        return t.cast(exp.Expr, self._parse_bitwise())

    def _parse_type(self, parse_interval: bool = True, fallback_to_identifier: bool = False) -> exp.Expr:
        """The operand of operators; sqlglot's ladder ends here and comes to our own rules."""
        node = self._primary()
        if isinstance(node, exp.Column) and self.accept("->"):
            return exp.JSONExtract(this=node, expression=exp.Literal.string(self.string()))
        return node

    def _primary(self) -> exp.Expr:
        token = self._curr
        kind = token.token_type if token else None
        word = self.peek()
        if kind is TokenType.L_PAREN:
            self._advance()
            inner = self.expression_node()
            self.expect(")")
            return exp.Paren(this=inner)
        if kind is TokenType.STRING:
            self._advance()
            return exp.Literal.string(token.text)
        if kind is TokenType.NUMBER:
            self._advance()
            return exp.Literal.number(token.text)
        if kind is TokenType.INTERVAL:
            self._advance()
            return exp.Interval(this=exp.Literal.string(token.text))
        if kind is TokenType.PLACEHOLDER:
            self._advance()
            self.placeholders += 1
            return exp.Placeholder(this=str(self.placeholders - 1))
        if word in ("true", "false"):
            self._advance()
            return exp.Boolean(this=word == "true")
        if self.accept("null"):
            return exp.Null()
        if self.accept("timestamp"):
            return exp.Cast(this=exp.Literal.string(self.string()), to=exp.Var(this=Type.of(types.TIMESTAMP)))
        if word == "case":
            return self._case()
        if word == "cast":
            return self._cast()
        if word in _OTHER_PSEUDO_COLUMNS:
            raise unsupported(f"the pseudo column {word}")
        if word in PSEUDO_COLUMNS:
            self._advance()
            return exp.Column(this=exp.Identifier(this=word, quoted=False))
        if (kind is TokenType.VAR and self.peek_next() == "(") or word in _FUNCTION_KEYWORDS:
            return self._call()
        return self._column()

    def _column(self) -> exp.Expr:
        quoted = bool(self._curr) and self._curr.token_type is TokenType.IDENTIFIER
        name = self.name()
        if not self.accept("."):
            return exp.Column(this=exp.Identifier(this=name, quoted=quoted))
        if self.accept("*"):
            return exp.Column(this=exp.Star(), table=exp.Identifier(this=name))
        if self.peek() == "tbname":
            self._advance()
            return exp.Column(this=exp.Identifier(this="tbname", quoted=False), table=exp.Identifier(this=name))
        return exp.Column(this=exp.Identifier(this=self.name(), quoted=True), table=exp.Identifier(this=name))

    def _call(self) -> exp.Expr:
        name = self._curr.text
        self._advance()
        if name in _FUNCTION_KEYWORDS_BARE and self.peek() != "(":
            return exp.Anonymous(this=name, expressions=[])
        self.expect("(")
        arguments: list[exp.Expr] = []
        if name in _SPECIAL_CALLS:
            node = _SPECIAL_CALLS[name](self)
            self.expect(")")
            return node
        if not self.accept(")"):
            arguments = self.listed(self._argument)
            self.expect(")")
        return exp.Anonymous(this=name, expressions=arguments)

    def _argument(self) -> exp.Expr:
        return exp.Star() if self.accept("*") else self.operand()

    def _cast(self) -> exp.Expr:
        self.expect("cast", "(")
        node = self.expression_node()
        self.expect("as")
        target = self.type(_CAST_DEFAULT_LENGTH)
        self.expect(")")
        return exp.Cast(this=node, to=exp.Var(this=target))

    def _case(self) -> exp.Expr:
        self.expect("case")
        operand = None if self.peek() == "when" else self.expression_node()
        branches = []
        while self.accept("when"):
            condition = self.expression_node()
            self.expect("then")
            branches.append(exp.If(this=condition, true=self.expression_node()))
        if not branches:
            raise self.error()
        default = self.expression_node() if self.accept("else") else None
        self.expect("end")
        return exp.Case(this=operand, ifs=branches, default=default)


_COMPARISONS: dict[str, type[exp.Binary]] = {
    "=": exp.EQ,
    "==": exp.EQ,
    "<>": exp.NEQ,
    "!=": exp.NEQ,
    "<": exp.LT,
    "<=": exp.LTE,
    ">": exp.GT,
    ">=": exp.GTE,
}


def _between(reader: Reader, this: exp.Expr) -> exp.Expr:
    low = reader.operand()
    reader.expect("and")
    return exp.Between(this=this, low=low, high=reader.operand())


def _in(reader: Reader, this: exp.Expr) -> exp.Expr:
    literals = reader.many_literals()
    if literals is not None:
        node = exp.In(this=this, expressions=[])
        node.set("literals", scanner.literals(literals))
        return node
    return exp.In(this=this, expressions=reader.parenthesised(reader.operand))


def _binary(node: type[exp.Binary]) -> Callable[[Reader, exp.Expr], exp.Expr]:
    return lambda reader, this: node(this=this, expression=reader.operand())


_NEGATED = frozenset(["between", "in", "like", "regexp"])
_PREDICATES: dict[str, Callable[[Reader, exp.Expr], exp.Expr]] = {
    "between": _between,
    "in": _in,
    "like": _binary(exp.Like),
    "match": _binary(exp.RegexpLike),
    "nmatch": _binary(exp.RegexpLike),
    "regexp": _binary(exp.RegexpLike),
    "contains": _binary(exp.ArrayContains),
}


def _trim(reader: Reader) -> exp.Expr:
    """TRIM([LEADING | TRAILING | BOTH] [text FROM] text)."""
    side = reader.one_of(("leading", "trailing", "both")) or "both"
    taken = None if reader.peek() == "from" else reader.expression_node()
    if taken is not None and side == "both" and reader.peek() == ")":
        return exp.Anonymous(this="trim", expressions=[taken])
    reader.expect("from")
    arguments = [reader.expression_node(), taken or exp.Literal.string(" ")]
    return exp.Anonymous(this=f"trim {side}", expressions=arguments)


def _substring(reader: Reader) -> exp.Expr:
    """SUBSTR(text, position[, length]) or SUBSTR(text FROM position [FOR length])."""
    arguments = [reader.expression_node()]
    separator = "from" if reader.accept("from") else ","
    if separator == ",":
        reader.expect(",")
    arguments.append(reader.expression_node())
    if reader.accept("for" if separator == "from" else ","):
        arguments.append(reader.expression_node())
    return exp.Anonymous(this="substr", expressions=arguments)


def _cols(reader: Reader) -> exp.Expr:
    """COLS(function(...), expression [AS name], ...)."""
    arguments = [reader.expression_node()]
    while reader.accept(","):
        start = reader.position()
        node = reader.expression_node()
        name = node.name if isinstance(node, exp.Column) else reader.text_since(start)
        if reader.accept("as") or reader.at_name():
            name = reader.name()
        arguments.append(exp.Alias(this=node, alias=exp.Identifier(this=name, quoted=True)))
    return exp.Anonymous(this="cols", expressions=arguments)


def _position(reader: Reader) -> exp.Expr:
    """POSITION(text IN text)."""
    wanted = reader.operand()
    reader.expect("in")
    return exp.Anonymous(this="position", expressions=[wanted, reader.operand()])


_SPECIAL_CALLS: dict[str, Callable[[Reader], exp.Expr]] = {
    "cols": _cols,
    "trim": _trim,
    "substr": _substring,
    "substring": _substring,
    "position": _position,
}
_WITHOUT_WORD = (TokenType.STRING, TokenType.IDENTIFIER, TokenType.INTERVAL)
