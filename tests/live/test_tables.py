"""Every table of the server, live: each has a feed while somebody looks at it, and there is a bound on them."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pyarrow as pa
import pytest

from frames import make_view, request
from heard import Heard
from live import sessions, tables
from live.sessions import Live
from live.tables import Tables
from live.visits import Visit, Visits
from protocol.messages import response
from protocol.viewer import Offenders
from tdengine.arrow import ipc_stream
from tdengine.catalogue import Listed
from tdengine.errors import TDengineError
from tdengine.offer import Offer
from waiting import until

SCHEMA = pa.schema([("n", pa.int32())])
TOLD = {"anew": False, "tags": [], "renamed": {}, "rows": 0, "rows_read": 0, "new": 0, "newest": None, "ahead": 0}
"""What messages of a feed say besides their kind."""

LISTED = [
    *(Listed("d", f"t{number}") for number in range(12)),
    Listed("e", "s", "super"),
    Listed("e", "c", "child", "s"),
]


class Server:
    """The tables of a server whose feeds are the test's, and its clock."""

    def __init__(self, most: int = 4, databases: tuple[str, ...] = ("d", "e")) -> None:
        self.now = 0.0
        self.asked: list[dict[str, Any]] = []
        self.away = False
        self.listed = list(LISTED)
        self.begun: list[str] = []
        self.ended: list[str] = []
        self.broken: set[str] = set()
        self.silent: set[str] = set()
        offenders = Offenders()
        offer = Offer(databases, self.ask, lambda: self.now)
        make = lambda full, name: Live(full, name, 10, 1024, 5.0, offenders)  # noqa: E731
        self.tables = Tables(Listed("d", "first"), "first", offer, most, make, self.feed, lambda: self.now)

    async def ask(self, question: dict[str, Any]) -> Any:
        """What TDengine answers."""
        self.asked.append(question)
        if self.away:
            raise TDengineError("TDengine is away")
        if "find" in question:
            found = [vars(each) for each in LISTED if [each.database, each.table] == question["find"]]
            return found[0] if found else None
        named = [each for each in self.listed if question["like"] in each.table]
        known = {each.database for each in named if "*" in question["tables"] or each.database in question["tables"]}
        return {"databases": sorted(known), "tables": [vars(each) for each in named if each.database in known]}

    async def feed(self, live: Live, listed: Listed) -> None:
        """A feed of one row."""
        self.begun.append(listed.full_name)
        try:
            if listed.full_name in self.broken:
                raise TDengineError("only the user can mend this")
            if listed.full_name not in self.silent:
                live.keep(live.server.new_local_client().table(rows(), name=live.name, limit=10), rows())
                live.follow({**TOLD, "kind": "table"}, rows())
                live.ring.append(rows(7), 1)
                live.follow({**TOLD, "kind": "append", "rows": 1}, rows(7))
            await asyncio.Event().wait()
        finally:
            self.ended.append(listed.full_name)

    def visitor(self, address: str = "192.0.2.1", named: str = "") -> tuple[Visit, Heard]:
        """A viewer."""
        heard = Heard(address)
        return Visits(self.tables, named).new_session(heard), heard


def rows(*values: int) -> bytes:
    return ipc_stream([pa.array(values, pa.int32())], SCHEMA)


def run(test: Callable[[Server], Awaitable[None]], **options: Any) -> None:
    """Run a test with a server whose first table is there."""

    async def main() -> None:
        server = Server(**options)
        first = asyncio.ensure_future(server.tables.follow_first())
        await server.tables.open("first")
        try:
            await test(server)
        finally:
            first.cancel()
            await server.tables.close()

    asyncio.run(main())


async def ask(visit: Visit, heard: Heard, message: bytes) -> Any:
    """The answer to a request."""
    await visit.handle_request(message)
    return response(heard.all()[-1])


async def look(visit: Visit, heard: Heard, table: str) -> str:
    """Make a view of a table; why that cannot be, or nothing."""
    name = f"view of {table} for {id(visit)}"
    return str((await ask(visit, heard, make_view(name, b"", 1, table))).server_error.message)


async def names(visit: Visit, heard: Heard) -> list[str]:
    """The tables that a viewer is told of."""
    told = await ask(visit, heard, request(4, b"", "", 1))
    return [each.entity_id for each in told.get_hosted_tables.table_infos]


def test_all_that_is_offered_is_listed_the_first_table_first() -> None:
    async def test(server: Server) -> None:
        offered = [each.full_name for each in LISTED]
        assert await names(*server.visitor()) == ["first", *offered]
        assert await names(*server.visitor(named="e.c")) == [
            "e.c",
            "first",
            *[each for each in offered if each != "e.c"],
        ]
        told = await ask(*server.visitor(), request(4, b"", "", 1))
        assert {each.limit for each in told.get_hosted_tables.table_infos} == {10}

    run(test)


def test_nothing_is_listed_until_it_is_known_what_there_is() -> None:
    async def main() -> None:
        server = Server()
        server.away = True
        assert await names(*server.visitor()) == []
        server.away, server.now = False, 20.0
        assert await names(*server.visitor()) == []
        await until(lambda: server.tables.hosted)
        assert (await names(*server.visitor()))[:2] == ["first", "d.t0"]
        await server.tables.close()

    asyncio.run(main())


def test_who_wants_to_know_is_told_of_new_tables() -> None:
    async def test(server: Server) -> None:
        visit, heard = server.visitor()
        await ask(visit, heard, request(4, b"\x08\x01", "", 1))
        server.now += 11
        server.listed.append(Listed("d", "new"))
        await names(*server.visitor())
        assert b"d.new" in heard.all()[-1]
        await ask(visit, heard, request(37, b"\x08\x01", "", 2))
        server.now += 10
        server.listed.pop()
        await names(*server.visitor())
        assert heard.all() == []

    run(test)


def test_a_table_that_is_looked_at_has_a_feed_and_others_have_none() -> None:
    async def test(server: Server) -> None:
        one, other = server.visitor(), server.visitor()
        assert await look(*one, "e.s") == ""
        assert await look(*other, "e.s") == ""
        assert await look(*other, "e.c") == ""
        assert server.begun == ["d.first", "e.s", "e.c"]
        view = f"view of e.s for {id(one[0])}"
        assert b"n" in (await ask(*one, request(15, b"", view, 2))).SerializeToString()
        assert server.tables.statuses()["e.s"]["viewers"] == 2

    run(test)


def test_the_first_table_has_two_names() -> None:
    async def test(server: Server) -> None:
        visit = server.visitor()
        assert [await look(*visit, "first"), await look(*visit, "d.first")] == ["", ""]
        assert server.begun == ["d.first"]
        assert server.tables.statuses()["d.first"]["viewers"] == 1

    run(test)


def test_a_table_goes_a_minute_after_its_last_viewer() -> None:
    async def test(server: Server) -> None:
        visit, heard = server.visitor()
        await look(visit, heard, "d.t1")
        server.now += 1000
        await server.tables.sweep()
        assert server.ended == []
        visit.close()
        server.now += tables.IDLE_SECONDS - 1
        await server.tables.sweep()
        assert server.ended == []
        server.now += 1
        await server.tables.sweep()
        assert server.ended == ["d.t1"]
        assert "d.t1" not in server.tables.statuses()

    run(test)


def test_a_table_without_views_goes_and_leaves_the_viewers_of_others_alone() -> None:
    async def test(server: Server) -> None:
        visit, heard = server.visitor()
        await look(visit, heard, "d.t1")
        await ask(visit, heard, request(7, b"", "d.t2", 5))
        await ask(visit, heard, request(11, b"", f"view of d.t1 for {id(visit)}", 6))
        await look(visit, heard, "d.t3")
        server.now += tables.IDLE_SECONDS
        await server.tables.sweep()
        assert sorted(server.ended) == ["d.t1", "d.t2"]
        assert heard.ends == []
        assert await look(visit, heard, "d.t2") == ""

    run(test)


def test_there_are_so_many_tables_at_a_time_and_no_more() -> None:
    async def test(server: Server) -> None:
        visit, heard = server.visitor()
        assert [await look(visit, heard, f"d.t{number}") for number in range(3)] == [""] * 3
        assert "4 tables are looked at already" in await look(visit, heard, "d.t3")
        assert len(server.begun) == 4
        await ask(visit, heard, request(11, b"", f"view of d.t1 for {id(visit)}", 6))
        server.now += tables.LEAST_SECONDS
        assert await look(visit, heard, "d.t3") == ""
        assert server.ended == ["d.t1"]

    run(test)


def test_what_is_not_offered_cannot_be_reached() -> None:
    async def test(server: Server) -> None:
        visit, heard = server.visitor(named="e.s")
        for name in (
            "e.s",
            "e.c",
            "e",
            "",
            ".",
            "d.",
            "d.nothing",
            "information_schema.ins_users",
            "d.t1`",
            "d.t1' OR 1",
        ):
            assert await look(visit, heard, name), name
        assert server.begun == ["d.first"]
        assert not any(question["find"][0] != "d" for question in server.asked if "find" in question)

    run(test, databases=("d",))


def test_all_databases_may_be_offered_as_they_come() -> None:
    async def test(server: Server) -> None:
        server.listed = [each for each in LISTED if each.database == "d"]
        visit = server.visitor()
        assert "d.t0" in await names(*visit)
        assert "e.s" not in await names(*visit)
        server.listed, server.now = list(LISTED), 10.0
        assert await look(*visit, "e.s") == ""

    run(test, databases=("*",))


def test_a_table_beyond_those_that_are_listed_is_found() -> None:
    async def test(server: Server) -> None:
        server.listed = LISTED[:2]
        visit = server.visitor()
        assert await look(*visit, "e.c") == ""
        assert "e.c" in await names(*visit)

    run(test)


def test_a_table_that_does_not_come_says_why_and_holds_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "FIRST_SECONDS", 0.05)

    async def test(server: Server) -> None:
        server.silent.add("d.t1")
        server.broken.add("d.t2")
        slow, other = server.visitor(), server.visitor()
        waiting = asyncio.ensure_future(look(*slow, "d.t1"))
        await until(lambda: "d.t1" in server.begun)
        assert await look(*other, "d.t3") == ""
        assert not waiting.done()
        assert await waiting == "d.t1 cannot be read now: not read yet"
        assert await look(*other, "d.t2") == "only the user can mend this"
        assert "d.t2" not in server.tables.statuses()

    run(test)


def test_where_tdengine_is_away_what_is_known_goes_on() -> None:
    async def test(server: Server) -> None:
        visit = server.visitor()
        await names(*visit)
        server.away, server.now = True, 100.0
        assert "d.t1" in await names(*visit)
        assert await look(*visit, "d.t1") == ""
        assert await look(*visit, "d.beyond") == "TDengine is away"

    run(test)


def test_whoever_asks_waits_for_a_list_that_is_old_and_for_no_other() -> None:
    async def test(server: Server) -> None:
        visit = server.visitor()
        await names(*visit)
        server.listed.append(Listed("d", "new"))
        server.now += 5
        assert "d.new" not in await names(*visit)
        await until(lambda: "d.new" in server.tables.hosted)
        server.listed.append(Listed("d", "newer"))
        server.now += 11
        assert "d.newer" in await names(*visit)

    run(test)


def test_the_list_is_asked_for_once_for_all_who_want_it() -> None:
    async def test(server: Server) -> None:
        await asyncio.gather(*(names(*server.visitor()) for _ in range(20)))
        assert len(server.asked) == 1
        server.now += 100
        await asyncio.gather(*(names(*server.visitor()) for _ in range(20)))
        assert len(server.asked) == 2

    run(test)


def test_a_view_cannot_take_its_tables_name() -> None:
    async def test(server: Server) -> None:
        visit, heard = server.visitor()
        told = await ask(visit, heard, make_view("d.t1", b"", 1, "d.t1"))
        assert told.server_error.message == "a view needs a name of its own"

    run(test)


def test_two_hundred_switches_leave_nothing_behind() -> None:
    async def test(server: Server) -> None:
        for number in range(200):
            visit, heard = server.visitor()
            assert await look(visit, heard, f"d.t{number % 3}") == ""
            visit.close()
        assert len(server.begun) == 4
        server.now += tables.IDLE_SECONDS
        await server.tables.sweep()
        assert sorted(server.ended) == ["d.t0", "d.t1", "d.t2"]
        assert (server.tables.visits, server.tables.others) == (set(), {})
        assert server.tables.first.sessions == set()

    run(test)
