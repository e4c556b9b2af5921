"""What passes to Perspective's engine of what a viewer sends, and what does not."""

import math
import random
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frames import VIEWING, config, delimited, filter_by, make_view, request, varint
from protocol import messages
from protocol.messages import Malformed, Refused
from web import gate
from web.gate import Requests, describable, pushed_down, without_expressions

BODIES = {22: b"\x08\x01", 30: b"\x08\x01", 35: b"\x08\x01", 37: b"\x08\x01", 20: delimited(1, b"volume")}

REMOVABLE = ["view_on_update", "view_on_delete", "table_on_delete", "get_hosted_tables"]


@pytest.fixture
def requests() -> Requests:
    """A viewer's requests; its view is "mine", another's "theirs"."""
    requests = Requests({"stock_values", "theirs"})
    requests.check(make_view("mine"))
    return requests


@pytest.mark.parametrize("number", sorted(VIEWING - {6}))
def test_what_viewing_needs_passes_as_it_is(requests: Requests, number: int) -> None:
    entity = "stock_values" if number in (5, 7, 8, 9, 29, 30, 41) else "mine"
    requests.subscriptions |= {(name, 1) for name in REMOVABLE}
    message = request(number, BODIES.get(number, b""), entity)
    assert requests.check(message) == message


@pytest.mark.parametrize("number", sorted(set(range(1, 64)) - VIEWING - {1, 2}))
def test_every_other_request_is_refused_by_its_number(requests: Requests, number: int) -> None:
    with pytest.raises(Refused, match="change something"):
        requests.check(request(number))


NUMBERS = [0, 1, 5, 2**16, 2**31 - 1, 2**31, 2**32 - 2, 2**32 - 1]


def fields(*numbers: int | None) -> bytes:
    """Numbers as the first fields of a message; None leaves one out."""
    return b"".join(varint(at << 3) + varint(each) for at, each in enumerate(numbers, 1) if each is not None)


@pytest.mark.parametrize("one", NUMBERS)
@pytest.mark.parametrize("other", NUMBERS)
def test_without_expressions_begins_before_it_ends_and_where_something_can_be(
    requests: Requests, one: int, other: int
) -> None:
    fits = one <= other and one < 2**31
    for number in (16, 24, 25, 26, 36):
        for viewport in (fields(one, None, other), fields(None, one, None, other)):
            asked = request(number, delimited(1, viewport), "mine")
            if fits:
                assert requests.check(asked) == asked
            else:
                with pytest.raises(Refused):
                    requests.check(asked)
    paths = request(10, fields(one, other), "mine")
    if fits:
        assert requests.check(paths) == paths
    else:
        with pytest.raises(Refused):
            requests.check(paths)


@pytest.mark.parametrize("number", NUMBERS)
def test_rows_depths_and_ids_are_of_something(requests: Requests, number: int) -> None:
    for kind, fits in ((18, number < 2**31), (19, number < 2**31), (23, number <= 16), (21, number == 0)):
        asked = request(kind, fields(number), "mine")
        if fits:
            assert requests.check(asked) == asked
        else:
            with pytest.raises(Refused):
                requests.check(asked)
    for kind in (22, 30, 35, 37):
        with pytest.raises(Refused, match="no subscription of yours"):
            requests.check(request(kind, fields(number), "mine"))


def test_history_has_no_expressions_and_no_windows() -> None:
    history = Requests(set(), pushed_down, describable, without_expressions)
    expression = delimited(1, b"x") + delimited(2, b"1")
    for message in (
        request(9, delimited(1, expression)),
        make_view("v", delimited(6, expression)),
        make_view("v", delimited(11, delimited(1, b"w") + delimited(2, b""))),
    ):
        with pytest.raises(Refused, match="history has no expressions"):
            history.check(message)
    asked = request(41, delimited(1, delimited(6, expression)), "t")
    assert history.check(asked) == asked
    with pytest.raises(Refused, match="more than anybody"):
        history.check(request(41, delimited(1, delimited(6, expression) * 33), "t"))


def test_a_refusal_is_perspectives_own_error_for_that_request(requests: Requests) -> None:
    with pytest.raises(Refused) as refused:
        requests.check(request(28, msg_id=300))
    text = b"read-only: " + str(refused.value).encode()
    expected = b"\x08" + varint(300) + delimited(2, b"stock_values") + delimited(50, delimited(1, text))
    assert refused.value.answer == expected


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(request(7) + request(28), id="deletes after reading"),
        pytest.param(request(28) + request(7), id="reads after deleting"),
        pytest.param(request(7) + request(8), id="two that may pass"),
        pytest.param(request(7) + delimited(99, b""), id="an unknown field"),
        pytest.param(request(16, delimited(9, b"x"), "mine"), id="an unknown field inside"),
        pytest.param(b"\x08\x01", id="no request"),
        pytest.param(b"\x08\x01\x12\x0cstock_values", id="no request for a table"),
        pytest.param(request(16, entity="theirs"), id="reads another's view"),
        pytest.param(request(11, entity="theirs"), id="deletes another's view"),
        pytest.param(request(21, entity="theirs"), id="follows another's view"),
        pytest.param(request(11, entity="stock_values"), id="deletes the table as a view"),
        pytest.param(make_view("theirs"), id="takes another's name"),
        pytest.param(make_view("stock_values"), id="takes the table's name"),
        pytest.param(make_view("mine"), id="takes a name twice"),
        pytest.param(make_view(""), id="takes no name"),
        pytest.param(make_view("x" * 257), id="takes a name that is too long"),
        pytest.param(make_view("v", delimited(7, delimited(1, b"x") + delimited(2, b""))), id="aggregates by nothing"),
        pytest.param(make_view("v", b"\x50\x03"), id="rolls up in a way that there is none of"),
        pytest.param(make_view("v", config(group_by=["ticker"]) + b"\x48\x02"), id="is deeper than its groups"),
        pytest.param(make_view("v", config(group_by=["ticker"] * 17)), id="groups too often"),
        pytest.param(make_view("v", config(split_by=["ticker"] * 17)), id="splits too often"),
        pytest.param(
            make_view("v", delimited(6, delimited(1, b"x") + delimited(2, b"1")) * 33), id="computes too much"
        ),
        pytest.param(
            make_view("v", delimited(11, delimited(1, b"w") + delimited(2, b"\x30" + varint(2**20 + 1)))),
            id="looks at too many rows",
        ),
        pytest.param(
            make_view("v", delimited(11, delimited(1, b"w") + delimited(2, b"\x51" + struct.pack("<d", math.inf)))),
            id="weighs by infinity",
        ),
        pytest.param(make_view("v", config(columns=["open", "open"])), id="asks for a column twice"),
        pytest.param(make_view("v", filter_by("ticker", "==")), id="filters by no value"),
        pytest.param(make_view("v", filter_by("ticker", "is null")), id="asks for null without a value"),
        pytest.param(make_view("v", filter_by("ticker", "==", b"")), id="filters by an empty value"),
        pytest.param(make_view("v", filter_by("ticker", "zzz", b"\x32\x01a")), id="filters by what is no filter"),
        pytest.param(make_view("v", filter_by("ticker", "in", *[b"\x32\x01a"] * 1001)), id="filters by too much"),
        pytest.param(make_view("v", filter_by("ticker", "==", b"\x32\x01a") * 17), id="filters too often"),
        pytest.param(make_view("v", delimited(5, delimited(1, b"ticker")) * 17), id="sorts too often"),
    ],
)
def test_refused_is_what(requests: Requests, message: bytes) -> None:
    with pytest.raises(Refused):
        requests.check(message)
    assert requests.views == {"mine"}


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\xff" * 40, id="noise"),
        pytest.param(request(7)[:-1] + b"\x05", id="cut short"),
        pytest.param(b"\x08\x01\x12\x02\xff\xff:\x00", id="text that is not UTF-8"),
        pytest.param(request(6, delimited(1, b"\xff")), id="text inside that is not UTF-8"),
        pytest.param(delimited(7, b""), id="no number to answer by"),
        pytest.param(b"\x08" + b"\xff" * 11, id="a number that never ends"),
        pytest.param(b"\x12\xff\xff\xff\xff\x0f", id="a length beyond the end"),
    ],
)
def test_malformed_is(requests: Requests, message: bytes) -> None:
    with pytest.raises(Malformed):
        requests.check(message)


@pytest.mark.parametrize(
    "made",
    [
        config(columns=["ticker", "open"])
        + filter_by("ticker", "==", b"\x32\x01a")
        + filter_by("ticker", "in", b"\x32\x01a", b"\x32\x01b"),
        filter_by("ticker", "is null", b"\x38\x00") + filter_by("open", ">", b"\x38\x00"),
        filter_by("ticker", "matches", b"\x32\x04(a+)"),
        delimited(5, delimited(1, b"open") + b"\x10\x02"),
        config(group_by=["ticker", "client"], split_by=["date"]) + b"\x48\x02\x50\x01\x60\x01",
        delimited(6, delimited(1, b"x") + delimited(2, b'"open" + 1')),
        delimited(7, delimited(1, b"open") + delimited(2, delimited(1, b"weighted mean") + delimited(1, b"volume"))),
        delimited(
            11, delimited(1, b"w") + delimited(2, delimited(2, b"open") + delimited(3, b"avg") + b"\x30\x05\x48\x01")
        ),
    ],
)
def test_views_of_all_kinds_pass_as_they_are(requests: Requests, made: bytes) -> None:
    message = make_view("v", made)
    assert requests.check(message) == message


def test_a_name_is_free_again_when_its_view_is_deleted_or_its_viewer_has_gone() -> None:
    taken: set[str] = set()
    one, other = Requests(taken), Requests(taken)
    one.check(make_view("v"))
    one.check(request(11, entity="v"))
    other.check(make_view("v"))
    with pytest.raises(Refused):
        one.check(make_view("v"))
    other.close()
    one.check(make_view("v"))


def test_views_and_subscriptions_are_bounded(requests: Requests) -> None:
    for number in range(1, gate.MAX_VIEWS):
        requests.check(make_view(f"v{number}"))
    with pytest.raises(Refused, match="16 views"):
        requests.check(make_view("one more"))
    for number in range(gate.MAX_SUBSCRIPTIONS):
        requests.check(request(21, b"\x08\x00", "mine", number))
    with pytest.raises(Refused, match="32 subscriptions"):
        requests.check(request(4, b"\x08\x01", "", 99))
    requests.check(request(22, b"\x08\x03", "mine", 100))
    requests.check(request(4, b"\x08\x01", "", 99))


def test_what_passes_is_encoded_anew() -> None:
    """The same field twice is one request to protobuf, and so the engine, which might see it otherwise, gets one."""
    message = request(16, delimited(2, b"lz4"), "stock_values") + delimited(16, delimited(2, b"zstd"))
    requests = Requests(set(), views={"stock_values"})
    assert requests.check(message) == request(16, delimited(2, b"zstd"), "stock_values")


@given(st.binary(max_size=200))
def test_noise_is_malformed_or_refused(message: bytes) -> None:
    requests = Requests({"stock_values"})
    try:
        passed = requests.check(message)
    except (Malformed, Refused):
        return
    assert requests.check(passed) == passed or requests.views


def test_a_mutated_request_passes_only_as_one_of_those_that_viewing_needs() -> None:
    chance = random.Random(1)
    whole = [request(number, BODIES.get(number, b""), "mine") for number in VIEWING]
    whole.append(make_view("v", config(columns=["open"]) + filter_by("ticker", "==", b"\x32\x01a")))
    passed = 0
    for _ in range(20_000):
        message = bytearray(chance.choice(whole))
        for _ in range(chance.randint(1, 3)):
            message[chance.randrange(len(message))] = chance.randrange(256)
        try:
            subscriptions = {(name, 1) for name in REMOVABLE}
            answer = Requests({"stock_values"}, views={"mine"}, subscriptions=subscriptions).check(bytes(message))
        except (Malformed, Refused):
            continue
        passed += 1
        parsed, name = messages.parse(answer)
        assert parsed.DESCRIPTOR.fields_by_name[name].number in VIEWING
    assert passed > 1000
