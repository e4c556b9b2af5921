"""How much text a Perspective table has taken in that it has not had before: its engine keeps that for ever."""

from collections.abc import Sequence

import pyarrow as pa

from tdengine.table import Row, Table

EACH_BYTES = 100
"""What the engine has for a text besides its letters, about; it bounds what is remembered here, too."""


class Texts:
    """The different texts of a table's rows, counted in bytes. They are told apart by their hashes."""

    def __init__(self, table: Table) -> None:
        schema = table.schema
        self.places = [place for place, of in enumerate(schema) if pa.types.is_string(of.type)]
        self.bytes = 0
        self.first = 0
        """Those of the rows that the table began with."""
        self._seen: set[int] = set()

    def add(self, rows: Sequence[Row]) -> int:
        """Count the texts of these rows. Returns how many bytes of text there have been."""
        for place in self.places:
            for text in {row[place] for row in rows}:
                number = hash(text)
                if text is not None and number not in self._seen:
                    self._seen.add(number)
                    self.bytes += EACH_BYTES + len(text if isinstance(text, bytes) else str(text).encode())
        self.first = self.first or self.bytes
        return self.bytes
