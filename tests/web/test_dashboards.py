"""The views that the server offers to all: what is in the folder, and is a view."""

import json
import logging
from pathlib import Path

import pytest

from web.dashboards import MOST_BYTES, dashboards

VIEW = {"columns": ["a"]}
EXAMPLES = Path(__file__).parent.parent.parent / "examples" / "dashboards"


def test_without_a_folder_there_are_none() -> None:
    assert dashboards(None) == []


def test_views_are_offered_by_the_names_of_their_files(tmp_path: Path) -> None:
    for file, name in [("b.json", "First"), ("c.json", "Second"), ("a.txt", "No JSON")]:
        (tmp_path / file).write_text(json.dumps({"name": name, "table": "d.t", "view": VIEW, "more": 1}))
    expected = [{"name": name, "table": "d.t", "view": VIEW} for name in ("First", "Second")]
    assert dashboards(tmp_path) == expected


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[]",
        '{"name": "x"}',
        '{"view": {}}',
        '{"name": 1, "view": {}}',
        "[" * 100_000,
        " " * (MOST_BYTES + 1),
        "\xff",
    ],
)
def test_what_is_none_is_left_out_and_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture, content: str) -> None:
    (tmp_path / "bad.json").write_bytes(content.encode("latin-1"))
    (tmp_path / "good.json").write_text(json.dumps({"name": "Good", "view": VIEW}))
    with caplog.at_level(logging.WARNING):
        assert [each["name"] for each in dashboards(tmp_path)] == ["Good"]
    assert "no dashboard in" in caplog.text
    assert "bad.json" in caplog.text


def test_the_example_is_offered() -> None:
    assert [each["name"] for each in dashboards(EXAMPLES)] == ["Trading floor"]
