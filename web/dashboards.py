"""The views that the server offers to all who look: the JSON files of a folder, read-only."""

import asyncio
import json
import logging
from pathlib import Path
from typing import Any

from web.access import Guarded

log = logging.getLogger("perspective_server")

MOST_FILES = 100
MOST_BYTES = 2**18
"""Of one file: a view of sixteen panels has some ten thousand."""


def dashboards(folder: Path | None) -> list[dict[str, Any]]:
    """The views in a folder, as the page saves them: {name, table, view}, by the names of their files.

    What is no such file is left out, and logged with the reason: whoever wrote it may be writing it still.
    """
    found = []
    for path in sorted(folder.glob("*.json"))[:MOST_FILES] if folder else []:
        try:
            with path.open("rb") as file:
                content = file.read(MOST_BYTES + 1)
            if len(content) > MOST_BYTES:
                raise ValueError(f"it has more than {MOST_BYTES:,} bytes")
            each = json.loads(content)
            if not (
                isinstance(each, dict) and isinstance(each.get("name"), str) and isinstance(each.get("view"), dict)
            ):
                raise ValueError("it has no name or no view")
            found.append({key: each[key] for key in ("name", "table", "view") if key in each})
        except (OSError, ValueError, RecursionError) as error:
            log.warning("no dashboard in %s: %s", path, error)
    return found


class DashboardsHandler(Guarded):
    """GET of the views in the folder, as they are now."""

    def initialize(self, folder: Path | None) -> None:
        self.folder = folder

    async def get(self) -> None:
        self.set_header("Content-Type", "application/json; charset=utf-8")
        self.set_header("Cache-Control", "no-store")
        self.finish(json.dumps(await asyncio.to_thread(dashboards, self.folder)))
