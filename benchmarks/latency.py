"""How long a viewer waits: while the database hangs, and for a row that was just written."""

import json
import subprocess
import sys
import time
from statistics import median, quantiles

from benchmarks.cost import ask, load, served
from benchmarks.data import Note, create
from benchmarks.processes import ROOT, embedded, running

sys.path.insert(0, str(ROOT / "tests"))

from faults import Proxy


def stall(note: Note, quick: bool) -> None:
    """The longest time that a viewer's question takes while the database hangs."""
    seconds = 4 if quick else 10
    found = []
    for seed in (True, False):
        with embedded() as taos:
            create(taos)
            with running("producer.py", "--taos-port", str(taos)):
                proxy = Proxy(taos)
                with served(proxy.port, seed=seed) as (port, _):
                    pinger = subprocess.Popen(
                        [sys.executable, "tests/pinger.py", f"ws://127.0.0.1:{port}/websocket"],
                        cwd=ROOT,
                        stdin=subprocess.PIPE,
                        stdout=subprocess.PIPE,
                        text=True,
                    )
                    assert pinger.stdin is not None
                    assert pinger.stdout is not None
                    pinger.stdout.readline()
                    proxy.silence()
                    time.sleep(seconds)
                    proxy.recover()
                    time.sleep(1.5)
                    pinger.stdin.close()
                    found.append([float(pinger.stdout.readlines()[-1])])
                    pinger.wait()
                proxy.close()
    note(f"longest stall of a viewer while TDengine hangs for {seconds} s", "ms", *found)


def freshness(note: Note, quick: bool) -> None:
    """The age of a row when a viewer has it, polled every 250 and every 50 ms.

    The producer writes every 10 ms here, so that the age is the server's doing.
    """
    seconds = 6 if quick else 20
    for interval in (250, 50):
        with embedded() as taos:
            create(taos)
            with (
                running("producer.py", "--taos-port", str(taos), "--rows", "10", "--interval", "10"),
                served(taos, "--interval", str(interval)) as (port, _),
                load(port, 1) as (viewer,),
            ):
                ask(viewer)
                time.sleep(seconds)
                ages = json.loads(ask(viewer))["ages"]
        cuts = quantiles(ages, n=100)
        for name, age in (("median", median(ages)), ("p95", cuts[94]), ("p99", cuts[98])):
            note(f"age of a row on arrival, polled every {interval} ms, {name}", "ms", [], [age])
