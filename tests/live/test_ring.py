"""The ring tells its engine what it has to hold when that is asked, whatever was appended and replaced before."""

import random
from typing import Any

import perspective
import pyarrow as pa
import pytest

from live import ring
from live.ring import Ring
from tdengine.arrow import ipc_stream

SCHEMA = pa.schema([("n", pa.int32()), ("text", pa.string())])


def arrow(*values: int) -> bytes:
    return ipc_stream([pa.array(values, pa.int32()), pa.array(map(str, values))], SCHEMA)


class Engine:
    """A table of Perspective's that counts what it is told."""

    def __init__(self, limit: int) -> None:
        perspective.set_num_cpus(1)
        self.table = perspective.Server().new_local_client().table(arrow(), limit=limit)
        self.told = 0

    def update(self, rows: bytes) -> None:
        self.told += 1
        self.table.update(rows)

    def replace(self, rows: bytes) -> None:
        self.told += 1
        self.table.replace(rows)

    def shown(self) -> list[Any]:
        view = self.table.view()
        columns = view.to_columns()
        view.delete()
        assert columns["text"] == list(map(str, columns["n"]))
        return list(columns["n"])


@pytest.mark.parametrize("seed", range(30))
def test_the_engine_holds_the_newest_rows_when_it_is_asked(seed: int) -> None:
    chance = random.Random(seed)
    limit = chance.choice([1, 5, 40])
    engine = Engine(limit)
    kept, expected = Ring(engine, arrow(), limit), []
    for number in range(60):
        count = chance.randint(0, limit)
        values = [1000 * number + at for at in range(count)]
        if chance.random() < 0.1:
            kept.replace(arrow(*values), count)
            expected = values
        elif count:
            kept.append(arrow(*values), count)
            expected = [*expected, *values][-limit:]
        if chance.random() < 0.3:
            kept.flush()
            assert engine.shown() == expected
    kept.flush()
    assert engine.shown() == expected


def test_rows_that_the_ring_lets_go_of_before_they_are_asked_for_are_never_told() -> None:
    engine = Engine(4)
    kept = Ring(engine, arrow(), 4)
    for number in range(ring.MOST_WAITING - 1):
        kept.append(arrow(number, number), 2)
    assert (engine.told, len(kept._waiting)) == (0, 2)
    kept.flush()
    assert (engine.told, engine.shown()) == (1, [13, 13, 14, 14])
    kept.flush()
    assert engine.told == 1


def test_no_more_than_so_many_appends_wait() -> None:
    engine = Engine(1000)
    kept = Ring(engine, arrow(), 1000)
    for number in range(ring.MOST_WAITING):
        kept.append(arrow(number), 1)
    assert engine.told == 1
    assert engine.shown() == list(range(ring.MOST_WAITING))
