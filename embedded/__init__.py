"""A stand-in for TDengine 3.3.6.3, for trying the demo and for tests: taosAdapter's WebSocket protocol over DuckDB.

`protocol` knows the bytes on the wire, `sql` TDengine's SQL, `storage` DuckDB; none knows the inside of another.
`engine` joins SQL to storage for one connection, `server` joins that to the sockets.
"""

VERSION = "3.3.6.3"
"""The TDengine version that is reported: it makes taosws choose the binary query encoding (from 3.3.2.0 on)."""
