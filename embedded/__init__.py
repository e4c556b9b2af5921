"""A stand-in for TDengine 3.3.7.5, for trying the demo and for tests: taosAdapter's protocols over DuckDB.

`protocol` knows the bytes on the wire, `sql` TDengine's SQL, `storage` DuckDB; none knows the inside of another.
`engine` joins SQL to storage for one connection, `showing` and `catalogue` answer what is asked about databases and
tables, `service` shares the threads among connections, and `sockets` and `rest_handler` join that to the network.
"""

VERSION = "3.3.7.5"
"""The TDengine version that is reported: it makes taosws choose the binary query encoding (from 3.3.2.0 on)."""
