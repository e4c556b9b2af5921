"""The locks hold what the requirements pin, and everything in them is checked by a hash."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent


PINS = {"demo": "requirements.txt", "dev": "requirements/dev.txt", "bench": "requirements/bench.txt"}
"""What each lock is made of."""


def pins(file: str) -> dict[str, set[str]]:
    """The packages that a file pins, each with its versions, of which a lock may have one for each Python."""
    found: dict[str, set[str]] = {}
    for line in (ROOT / file).read_text().splitlines():
        if match := re.match(r"([A-Za-z0-9._-]+)==([^ ;\\]+)", line):
            found.setdefault(re.sub(r"[-_.]+", "-", match[1]).lower(), set()).add(match[2])
    return found


@pytest.mark.parametrize("name", PINS)
def test_a_lock_holds_every_pin(name: str) -> None:
    pinned, locked = pins(PINS[name]), pins(f"requirements/{name}.lock")
    assert pinned
    assert {package: locked.get(package) for package in pinned} == pinned


def test_the_locks_agree_with_each_other() -> None:
    main, dev = pins("requirements/demo.lock"), pins("requirements/dev.lock")
    both = main.keys() & dev.keys()
    assert {package: main[package] for package in both} == {package: dev[package] for package in both}


@pytest.mark.parametrize("name", PINS)
def test_every_package_of_a_lock_has_hashes_and_comes_from_wherever_pip_is_told(name: str) -> None:
    text = (ROOT / f"requirements/{name}.lock").read_text()
    entries = re.split(r"(?m)^(?=[A-Za-z0-9])", text)[1:]
    assert len(entries) == sum(map(len, pins(f"requirements/{name}.lock").values()))
    assert all("--hash=sha256:" in entry for entry in entries)
    assert "://" not in text
