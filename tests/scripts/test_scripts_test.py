"""test.sh and .ci/run, with stub linters: what runs in which order, and where the browser comes from. And what all
scripts have in common."""

import re
import shlex
from pathlib import Path

import pytest

from script_helpers import ROOT, Checkout, make_checkout

LINTERS = ["ruff check", "ruff format --check", "mypy", "shellcheck ./install.sh ./test.sh scripts/begin.sh .ci/run"]
RUNS = 'case "$1" in --version) echo Chromium 1 ;; esac'


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    checkout = make_checkout(tmp_path, "test.sh", ".ci/run")
    venv = checkout.path / "venv/bin"
    venv.mkdir(parents=True)
    checkout.stub("install.sh")
    (checkout.stubs / "install.sh").rename(checkout.path / "install.sh")
    browser = shlex.quote(str(tmp_path / "playwright chromium"))
    # The venv's Python is asked for Playwright's browser, and runs pytest.
    python = f'case "$1" in -c) echo {browser} ;; -m) echo "pytest sees $CHROMIUM, CI=${{CI:-}}" ;; esac'
    for command, body in {"ruff": '[ "$1" != "${BAD:-}" ]', "mypy": "", "shellcheck": "", "python": python}.items():
        checkout.stub(command, body)
        (checkout.stubs / command).rename(venv / command)
    checkout.stub("playwright", f"cp {shlex.quote(str(checkout.stubs / 'browser'))} {browser}")
    (checkout.stubs / "playwright").rename(venv / "playwright")
    return checkout


def steps(checkout: Checkout) -> list[str]:
    return [call for call in checkout.calls() if not call.startswith("python -c")]


def test_it_installs_lints_and_hands_its_arguments_to_pytest(checkout: Checkout) -> None:
    checkout.stub("chromium", RUNS)
    result = checkout.run("./test.sh", "-k", "a b")
    assert (result.status, result.err) == (0, "")
    assert steps(checkout) == [
        "install.sh --no-client --no-profile --dev",
        "chromium --version",
        *LINTERS,
        r"python -m pytest -n 3 --dist loadfile -m not\ alone -k a\ b",
        r"python -m pytest -n 2 -m alone -k a\ b",
    ]
    assert f"pytest sees {checkout.stubs}/chromium" in result.out


def test_it_ends_at_the_first_failure(checkout: Checkout) -> None:
    checkout.stub("chromium", RUNS)
    assert checkout.run("./test.sh", BAD="check").status == 1
    assert steps(checkout)[-1] == "ruff check"


def test_the_browser_that_chromium_names_is_used(checkout: Checkout, tmp_path: Path) -> None:
    checkout.stub("chromium", RUNS)
    checkout.stub("mine", RUNS)
    result = checkout.run("./test.sh", CHROMIUM=str(checkout.stubs / "mine"))
    assert f"pytest sees {checkout.stubs}/mine" in result.out


def test_a_browser_that_does_not_run_is_passed_over(checkout: Checkout) -> None:
    checkout.stub("chromium-browser", "echo install the snap; exit 1")
    checkout.stub("google-chrome", RUNS)
    assert f"pytest sees {checkout.stubs}/google-chrome" in checkout.run("./test.sh").out


def test_root_gets_chromium_from_apt(checkout: Checkout) -> None:
    checkout.stub("id", "echo 0")
    checkout.stub("browser", RUNS)
    checkout.stub("apt-get", f'[ "$1" = update ] || cp "{checkout.stubs}/browser" "{checkout.stubs}/chromium"')
    result = checkout.run("./test.sh")
    assert checkout.calls("apt-get") == ["apt-get update", "apt-get install -y chromium"]
    assert f"pytest sees {checkout.stubs}/chromium" in result.out


def test_others_get_chromium_from_playwright(checkout: Checkout, tmp_path: Path) -> None:
    checkout.stub("id", "echo 1000")
    checkout.stub("browser", RUNS)
    result = checkout.run("./test.sh")
    assert checkout.calls("playwright") == ["playwright install chromium"]
    assert f"pytest sees {tmp_path}/playwright chromium" in result.out


def test_without_any_browser_it_fails_with_one_line(checkout: Checkout) -> None:
    checkout.stub("id", "echo 1000")
    result = checkout.run("./test.sh")
    assert result.status == 1
    assert "there is no Chromium and none could be installed" in result.error()
    assert not checkout.calls("python -m pytest")


def test_ci_runs_test_sh(checkout: Checkout) -> None:
    checkout.stub("chromium", RUNS)
    result = checkout.run("bash", "-c", "cd .ci && ./run")
    assert result.status == 0
    assert "CI=true" in result.out


def offer_python(checkout: Checkout, name: str, version: str, place: str = "/usr/bin", status: int = 0) -> None:
    """Put a Python on the PATH whose venvs have a pytest that ends with this status."""
    pytest = f'echo "pytest of {version}: $*, CHROMIUM=$CHROMIUM"; exit {status}'
    venv = f"""mkdir -p "${{@: -1}}/bin" "${{@: -1}}/lib/python3.x/site-packages"
cat >"${{@: -1}}/bin/python" <<'END'
#!/usr/bin/env bash
case "$*" in "-m pytest "*) {pytest} ;; esac
END
chmod +x "${{@: -1}}"/bin/python"""
    asked = f'case "$2" in *executable*) echo "{version} {place}/{name}" ;; *) echo "{version}" ;; esac'
    checkout.stub(name, f'case "$1" in -c) {asked} ;; -m) {venv} ;; esac')


def test_all_pythons_runs_the_tests_without_a_browser_on_each_and_says_how_each_has_ended(checkout: Checkout) -> None:
    stubs = str(checkout.stubs)
    offer_python(checkout, "python3", "3.12.1", stubs)
    offer_python(checkout, "python3.12", "3.12.1", stubs)
    offer_python(checkout, "python3.13", "3.13.0", stubs, status=1)
    offer_python(checkout, "python3.11", "3.11.2", stubs)
    (checkout.path / "requirements").mkdir()
    (checkout.path / "requirements/bare.py").touch()
    result = checkout.run("./test.sh", "--all-pythons", "-k", "a b")
    assert result.status == 1
    for version in ("3.11.2", "3.12.1", "3.13.0"):
        assert result.out.count(f"pytest of {version}: -m pytest -q -n 3 --dist loadfile -k a b, CHROMIUM=none") == 1
    assert result.out.splitlines()[-3:] == ["Python 3.11.2: passed", "Python 3.12.1: passed", "Python 3.13.0: failed"]


def test_no_other_than_the_systems_python_is_taken_for_it(checkout: Checkout) -> None:
    offer_python(checkout, "python3", "3.11.2", "/opt")
    result = checkout.run("./test.sh", "--system-python")
    assert (result.status, result.out) == (0, "Python of the system: none but that of venv/\n")


BASH_4 = {
    "associative arrays": r"(declare|local|typeset) -\w*A",
    "references": r"(declare|local|typeset) -\w*n",
    "mapfile": r"\b(mapfile|readarray)\b",
    "case in expansions": r"\$\{\w+(\[[^]]*\])?(,|\^)",
    "transformations": r"\$\{\w+@",
    "both outputs": r"&>>|\|&",
    "coprocesses": r"\bcoproc\b",
    "indices from the end": r"\$\{\w+\[-",
    "wait for any": r"\bwait -n",
    "set or not": r"\[\[? -v ",
    "time in printf": r"printf [^|;]*%\(",
    "clocks": r"\bEPOCH(SECONDS|REALTIME)\b",
    "descriptors by name": r"exec \{\w+\}",
    "falling through": r";;?&",
}
"""What bash 3.2, which every Mac has, does not know."""


@pytest.mark.parametrize("script", ["run.sh", "install.sh", "docker.sh", "test.sh", "scripts/begin.sh"])
def test_the_bash_of_a_mac_knows_all_that_a_script_uses(script: str) -> None:
    text = (ROOT / script).read_text()
    assert {name: re.findall(pattern, text) for name, pattern in BASH_4.items() if re.search(pattern, text)} == {}
