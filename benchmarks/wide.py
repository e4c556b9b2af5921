#!/usr/bin/env python3
"""Write 1000 rows a second into a table of many columns: `wide.py PORT COLUMNS`, for benchmarks/cost.py."""

import random
import sys
import time

import taosws

port, columns = int(sys.argv[1]), int(sys.argv[2])
connection = taosws.connect(host="localhost", port=port, user="root", password="taosdata", database="wide")
statement = connection.stmt2_statement()
statement.prepare(f"INSERT INTO t VALUES ({', '.join('?' * columns)})")
print("writing", flush=True)
begin = time.time_ns() // 10**6
while True:
    time.sleep(max(0, (begin + 250) / 1000 - time.time()))
    values = [taosws.floats_to_column([random.random() for _ in range(250)]) for _ in range(columns - 1)]
    bound = [taosws.millis_timestamps_to_column(list(range(begin, begin + 250))), *values]
    statement.bind([taosws.stmt2_bind_param_view(None, None, bound)])
    statement.execute()
    begin += 250
