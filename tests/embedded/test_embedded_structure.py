"""The embedded server's parts know nothing of each other's inside: which module imports which."""

import ast
from pathlib import Path

import pytest

from embedded_server import ROOT

SHARED = {"embedded", "embedded.errors", "embedded.limits", "embedded.schema", "embedded.types"}
"""The words that all parts have in common."""


def imported(path: Path) -> set[str]:
    """The modules of the embedded server that a source file imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "embedded":
            inside = {f"{node.module}.{name.name}" for name in node.names}
            modules = {name for name in inside if (ROOT / name.replace(".", "/")).with_suffix(".py").exists()}
            packages = {name for name in inside if (ROOT / name.replace(".", "/")).is_dir()}
            found |= modules | packages or {node.module or ""}
        elif isinstance(node, ast.Import):
            found |= {name.name for name in node.names if name.name.split(".")[0] == "embedded"}
    return found


@pytest.mark.parametrize(
    ("sources", "own"),
    [
        ("embedded/protocol/*.py", "embedded.protocol"),
        ("embedded/sql/**/*.py", "embedded.sql"),
        ("embedded/storage.py", "embedded.storage"),
    ],
)
def test_protocol_sql_and_storage_import_only_themselves_and_the_shared_words(sources: str, own: str) -> None:
    paths = list(ROOT.glob(sources))
    assert paths
    for path in paths:
        foreign = {name for name in imported(path) if name not in SHARED and not name.startswith(own)}
        assert not foreign, path.name
