#!/usr/bin/env python3
"""Write load and memory of this machine into a super table of TDengine's, a row a sensor and second, until Ctrl-C.

See it live: venv/bin/python perspective_server.py --database machine --table sensors --port 8081
"""

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import taosws


def readings() -> Iterator[tuple[str, str, float]]:
    """Each sensor's name, its unit, and what it says now."""
    for minutes, load in zip((1, 5, 15), os.getloadavg(), strict=True):
        yield f"load_{minutes}", "processes", load
    meminfo = Path("/proc/meminfo")
    if meminfo.exists():  # on Linux
        for line in meminfo.read_text().splitlines():
            name, value = line.split()[:2]
            if name in ("MemAvailable:", "Cached:", "SwapFree:"):
                yield name[:-1].lower(), "MiB", int(value) / 1024


def main() -> None:
    """Create database and super table unless they are there, and write."""
    connection = taosws.connect(
        host=os.environ.get("TAOS_HOST") or "localhost",
        port=int(os.environ.get("TAOS_PORT") or 6041),
        user=os.environ.get("TAOS_USER") or "root",
        password=os.environ.get("TAOS_PASSWORD") or "taosdata",
        conn_retries="0",
    )
    connection.execute("CREATE DATABASE IF NOT EXISTS machine")
    columns, tags = "`time` TIMESTAMP, `value` DOUBLE", "`sensor` NCHAR(20), `unit` NCHAR(10)"
    connection.execute(f"CREATE STABLE IF NOT EXISTS machine.sensors ({columns}) TAGS ({tags})")
    print("writing to machine.sensors; Ctrl-C stops")
    while True:
        for sensor, unit, value in readings():
            child = f"machine.`{sensor}` USING machine.sensors TAGS ('{sensor}', '{unit}')"
            connection.execute(f"INSERT INTO {child} VALUES (NOW, {value})")
        time.sleep(1)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(0)
    except taosws.Error as error:
        sys.exit(f"feed_your_own.py: {error}: is there a TDengine (./run.sh, TAOS_HOST, TAOS_PORT)?")
