#!/usr/bin/env python3
"""Write 1000 rows a second into a table of so many columns, for benchmarks/cost.py."""

import argparse
import random
import sys
import time
from pathlib import Path

import taosws

sys.path.insert(0, str(Path(__file__).parent.parent))

from tdengine.connecting import create_tdengine_connection
from tdengine.settings import add_options, settings
from tdengine.sql import quote

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("columns", type=int)
add_options(parser)
options = parser.parse_args()
at = settings(options)
connection = create_tdengine_connection(at, at.database)
statement = connection.stmt2_statement()
statement.prepare(f"INSERT INTO {quote(at.table)} VALUES ({', '.join('?' * options.columns)})")
print("writing", flush=True)
begin = time.time_ns() // 10**6
while True:
    time.sleep(max(0, (begin + 250) / 1000 - time.time()))
    values = [taosws.floats_to_column([random.random() for _ in range(250)]) for _ in range(options.columns - 1)]
    bound = [taosws.millis_timestamps_to_column(list(range(begin, begin + 250))), *values]
    statement.bind([taosws.stmt2_bind_param_view(None, None, bound)])
    statement.execute()
    begin += 250
