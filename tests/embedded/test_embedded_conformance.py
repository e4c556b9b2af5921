"""The embedded server against what TDengine 3.3.6.3 and 3.3.7.5 answered."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
import taosws
from tornado.websocket import WebSocketClientConnection, websocket_connect

from embedded_server import RECORDINGS, EmbeddedServer, outcome, running

Recorded = dict[str, Any]


def recorded(name: str) -> list[Recorded]:
    lines = (RECORDINGS / name).read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


DEVIATIONS: dict[str, str] = json.loads((RECORDINGS / "deviations.json").read_text())


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedServer]:
    with running() as started:
        yield started


def comparable(answer: Recorded) -> Recorded:
    """The answer with its rows sorted where neither the statement nor the passing of time orders them."""
    sql, rows = answer["sql"].upper(), answer.get("rows")
    if not rows or "ORDER BY" in sql or "INTERVAL" in sql:
        return answer
    if "GROUP BY" in sql or "UNIQUE" in sql or "UNION" in sql or sql.startswith("SHOW"):
        return {**answer, "rows": sorted(rows, key=repr)}
    return answer


@pytest.mark.parametrize("name", ["answers.jsonl", "history.jsonl", "dashboards.jsonl"])
def test_every_recorded_statement_is_answered_as_by_tdengine(server: EmbeddedServer, name: str) -> None:
    connection = server.connect()
    statements = [record for record in recorded(name) if "sql" in record]
    differences = []
    for record in statements:
        answer = outcome(connection, record["sql"])
        if comparable(answer) != comparable(record) and record["sql"] not in DEVIATIONS:
            differences.append({"recorded": record, "answered": answer})
    print(f"{len(statements) - len(differences)} of {len(statements)} statements of {name}")
    assert differences == []


def test_every_recorded_call_has_the_recorded_outcome(server: EmbeddedServer) -> None:
    names: Recorded = {"taosws": taosws, "port": server.port}
    calls, differences, call = 0, [], ""
    for record in recorded("wire.jsonl"):
        call = record.get("call", call)
        if "outcome" in record:
            calls += 1
            result = outcome_of_call(call, names)
            if result != record["outcome"]:
                differences.append({"call": call, "recorded": record["outcome"], "got": result})
    print(f"{calls - len(differences)} of {calls} calls")
    assert differences == []


def outcome_of_call(call: str, names: Recorded) -> str:
    """Carry out a recorded line of Python, an expression or an assignment."""
    try:
        try:
            code = compile(call, "recorded call", "eval")
        except SyntaxError:
            exec(call, names)
            return "None"
        return repr(eval(code, names))
    except taosws.Error as error:
        return f"raises {type(error).__name__}: {error}"


def test_every_recorded_frame_is_answered_with_the_recorded_frame(server: EmbeddedServer) -> None:
    with running() as fresh:
        differences = asyncio.run(replay(fresh.port))
    assert differences == []


async def replay(port: int) -> list[dict[str, Any]]:
    """Send the recorded frames and compare each answer: all but timings, ids and the version must be the same."""
    sockets: dict[int, WebSocketClientConnection] = {}
    results: dict[tuple[int, int], int] = {}
    differences = []
    for record in recorded("wire.jsonl"):
        number = record.get("conn", 0)
        if "open" in record:
            sockets[number] = await websocket_connect(f"ws://127.0.0.1:{port}{record['open']}")
        elif record.get("dir") == "client":
            if "text" in record:
                message = json.loads(record["text"])
                if message["action"] == "free_result":
                    message["args"]["id"] = results[number, message["args"]["id"]]
                await sockets[number].write_message(json.dumps(message))
            else:
                frame = bytearray.fromhex(record["hex"])
                if frame[16] == 7:
                    ours = results[number, int.from_bytes(frame[8:16], "little")]
                    frame[8:16] = ours.to_bytes(8, "little")
                await sockets[number].write_message(bytes(frame), binary=True)
        elif record.get("dir") == "server":
            answer = await asyncio.wait_for(_next(sockets[number]), 20)
            expected = json.loads(record["text"]) if "text" in record else bytes.fromhex(record["hex"])
            if isinstance(answer, str) and isinstance(expected, dict):
                got = json.loads(answer)
                if expected.get("id"):
                    results[number, expected["id"]] = got["id"]
                same = without_chance(got) == without_chance(expected) and list(got) == list(expected)
            else:
                got = answer
                same = isinstance(answer, bytes) and _fetched(answer) == _fetched(expected)
            if not same:
                differences.append({"recorded": expected, "got": got})
    return differences


async def _next(socket: WebSocketClientConnection) -> str | bytes:
    message = await socket.read_message()
    assert message is not None, "the server closed the socket"
    return message


def without_chance(reply: Recorded) -> Recorded:
    """A reply without its timing and result id, and without the version, which was 3.3.6.3 when this was recorded."""
    assert isinstance(reply["timing"], int)
    return {key: value for key, value in reply.items() if key not in ("timing", "id", "version")}


def _fetched(message: bytes) -> tuple[bytes, bytes, bytes]:
    """A fetch reply without its timing and result id."""
    return message[:18], message[26:42], message[50:]
