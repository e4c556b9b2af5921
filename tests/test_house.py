"""The house: what lies in the root, what each folder may import, and how large a file may grow."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

from parts import ROOT

DOOR = {
    *("README.md", "CHANGELOG.md", "CONTRIBUTING.md"),
    *("LICENSE", "SECURITY.md", "requirements.txt", "pyproject.toml", ".gitignore", ".gitattributes"),
    *("install.sh", "docker.sh", "run.sh", "test.sh", "producer.py", "perspective_server.py", "index.html"),
    *("Dockerfile", ".dockerignore", "compose.yaml"),  # which Docker looks for there
}
"""All that lies in the root: the front door."""

MAY_IMPORT: dict[str, set[str]] = {
    "tdengine": set(),
    "embedded": set(),
    "protocol": set(),
    "producing": {"tdengine"},
    "live": {"tdengine", "protocol"},
    "history": {"tdengine", "protocol"},
    "web": {"tdengine", "protocol"},
}
"""The folders of modules, and which of the others each may know: imports point one way."""

SCRIPTS = {"producer", "perspective_server"}


def tracked() -> list[str]:
    """The files of the repository, as git has them; those of a folder without git."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    return listed.stdout.splitlines()


def imported(path: Path) -> set[str]:
    """The first parts of the names of all that a module imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are written in full"
            found.add(str(node.module).partition(".")[0])
    return found


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="what is the repository's is known to git alone")
def test_the_root_is_the_front_door() -> None:
    assert {name for name in tracked() if "/" not in name} == DOOR


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="what a clone has is known to git alone")
def test_a_clone_by_a_git_that_is_told_to_write_crlf_has_none(tmp_path: Path) -> None:
    told = ("-c", "core.autocrlf=true", "-c", "core.eol=crlf")
    subprocess.run(["git", *told, "clone", "--quiet", "--depth=1", ROOT.as_uri(), tmp_path / "clone"], check=True)
    for path in (tmp_path / "clone").rglob("*"):
        if path.is_file() and ".git" not in path.parts and path.suffix not in (".png", ".jpg"):
            assert b"\r\n" not in path.read_bytes(), path


@pytest.mark.parametrize("folder", MAY_IMPORT)
def test_imports_point_one_way(folder: str) -> None:
    ours = MAY_IMPORT.keys() | SCRIPTS
    for path in (ROOT / folder).rglob("*.py"):
        assert imported(path) & ours <= {folder, *MAY_IMPORT[folder]}, path


@pytest.mark.parametrize("folder", MAY_IMPORT)
def test_no_pattern_repeats_a_group_possessively(folder: str) -> None:
    """Python before 3.11.5, as Debian 12 has it, goes too far there; (?>(...)*) says the same."""
    for path in (ROOT / folder).rglob("*.py"):
        texts = [node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant)]
        assert [
            text for text in texts if isinstance(text, str) and re.search(r"\)([*+?]|\{[0-9,]+\})\+", text)
        ] == [], path


@pytest.mark.parametrize("folder", MAY_IMPORT)
def test_a_folder_says_what_it_is_for(folder: str) -> None:
    module = ast.parse((ROOT / folder / "__init__.py").read_text())
    assert ast.get_docstring(module)
    assert folder == "embedded" or len(module.body) == 1


@pytest.mark.parametrize("folder", ["tdengine", "protocol", "producing", "live", "history", "web", "page"])
def test_no_file_needs_a_second_sitting(folder: str) -> None:
    for path in (ROOT / folder).iterdir():
        if path.is_file():
            assert len(path.read_text().splitlines()) <= 300, path


def test_the_page_reads_in_one_screen() -> None:
    assert len((ROOT / "index.html").read_text().splitlines()) <= 150
