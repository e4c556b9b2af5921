"""What one client may take of the machine, so that others are answered meanwhile.

TDengine has bounds of the same sort: its errors for them are used.
"""

from __future__ import annotations

MOST_MESSAGE_BYTES = 64 * 1024 * 1024
"""The longest message or body that is read; what is beyond is thrown away as it comes."""

MOST_STATEMENT_BYTES = 4 * 1024 * 1024
"""The longest statement, as TDengine's TSDB_MAX_ALLOWED_SQL_LEN."""

MOST_TRANSLATED = 1024 * 1024
"""The longest query in DuckDB's SQL, which DuckDB reads without letting others work."""

MOST_ROW_BYTES = 1024 * 1024
"""The longest row of a result, by the types of its columns."""

BATCH_BYTES = 8 * 1024 * 1024
"""About as much as one block of a result may have."""

MEMORY = "1GB"
"""What DuckDB may hold in memory; beyond, it writes to a temporary file."""

TEMPORARY = "8GB"
"""How long the temporary file may grow."""

QUERY_SECONDS = 60.0
"""How long one statement may take."""
