"""install.sh, with a real Python and real venvs, and with a stub pip that installs empty modules."""

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from script_helpers import Checkout, is_alive, make_checkout, use_python, wait_until

MODULES = "duckdb perspective pyarrow sqlglot taosrest taosws tornado"

# Runs as `python -m pip install ... -r FILE`: notes the file's name, then does what PIP_* say.
PIP = f"""
import os, subprocess, sys, time
from pathlib import Path

with open(os.environ["CALLS"], "a") as calls:
    print("pip", *sys.argv[-3:], file=calls)
print(os.environ.get("PIP_SAYS", ""))
if "PIP_HANGS" in os.environ:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    Path(os.environ["PIP_HANGS"]).write_text(f"{{os.getpid()}} {{child.pid}}\\n")
    time.sleep(60)
if "PIP_WAITS" in os.environ:
    while not os.path.exists(os.environ["PIP_WAITS"]):
        time.sleep(0.02)
if "PIP_FAILS" in os.environ:
    sys.exit(1)
packages = Path(sys.prefix, "lib", "python%d.%d" % sys.version_info[:2], "site-packages")
for name in "{MODULES}".split():
    (packages / (name + ".py")).touch()
(packages / "google" / "protobuf").mkdir(parents=True, exist_ok=True)
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    checkout = make_checkout(tmp_path, "install.sh", "requirements.lock", "requirements-dev.lock")
    use_python(checkout)
    modules = tmp_path / "modules"
    for name, code in {"pip": PIP, "ensurepip": ""}.items():
        (modules / name).mkdir(parents=True)
        (modules / name / "__init__.py").touch()
        (modules / name / "__main__.py").write_text(code)
    checkout.env |= {"PYTHONPATH": str(modules), "CALLS": str(checkout.calls_file)}
    return checkout


@pytest.fixture
def installed(checkout: Checkout) -> Checkout:
    assert checkout.run("./install.sh").status == 0
    checkout.calls_file.unlink()
    return checkout


def site_packages(checkout: Checkout) -> Path:
    (found,) = checkout.path.glob("venv/lib/python*/site-packages")
    return found


def test_a_first_run_makes_the_venv_and_installs_the_requirements(checkout: Checkout) -> None:
    result = checkout.run("./install.sh", "--no-client", "--no-profile")
    assert (result.status, result.err) == (0, "")
    assert result.out.splitlines()[-1] == "venv/ is ready"
    assert checkout.calls("pip") == ["pip --require-hashes -r requirements.lock"]
    assert checkout.run("venv/bin/python", "-c", "import taosws").status == 0


def test_it_works_on_its_own_directory_wherever_it_is_called_from(checkout: Checkout) -> None:
    result = checkout.run(
        "bash", "-c", f"mkdir ../elsewhere; cd ../elsewhere; '{checkout.path}/install.sh'", CDPATH=".."
    )
    assert result.status == 0
    assert (checkout.path / "venv/bin/python").exists()


def test_a_second_run_does_nothing(installed: Checkout) -> None:
    result = installed.run("./install.sh")
    assert (result.status, result.out, result.err) == (0, "venv/ is up to date\n", "")
    assert installed.calls("pip") == []


def test_a_second_run_needs_no_python3(installed: Checkout) -> None:
    (installed.stubs / "python3").unlink()
    assert installed.run("./install.sh").status == 0


def test_changed_requirements_are_installed_into_the_same_venv(installed: Checkout) -> None:
    (installed.path / "venv/mine").touch()
    with open(installed.path / "requirements.lock", "a") as file:
        file.write("# changed\n")
    assert installed.run("./install.sh").status == 0
    assert installed.calls("pip") == ["pip --require-hashes -r requirements.lock"]
    assert (installed.path / "venv/mine").exists()
    assert installed.run("./install.sh").out == "venv/ is up to date\n"


def test_dev_installs_the_requirements_of_the_tests_as_well(checkout: Checkout) -> None:
    assert checkout.run("./install.sh", "--dev").status == 0
    assert checkout.calls("pip") == [
        "pip --require-hashes -r requirements.lock",
        "pip --require-hashes -r requirements-dev.lock",
    ]
    assert checkout.run("./install.sh", "--dev").out == "venv/ is up to date\n"
    assert checkout.run("./install.sh").out == "venv/ is up to date\n"


def lose_python(checkout: Checkout) -> None:
    for python in checkout.path.glob("venv/bin/python*"):
        python.unlink()


def break_python(checkout: Checkout) -> None:
    python = checkout.path / "venv/bin/python"
    python.unlink()
    python.symlink_to("/no/such/python")


def lose_everything(checkout: Checkout) -> None:
    shutil.rmtree(checkout.path / "venv")
    (checkout.path / "venv").mkdir()


def lose_a_package(checkout: Checkout) -> None:
    (site_packages(checkout) / "taosws.py").unlink()


def interrupt_pip(checkout: Checkout) -> None:
    (checkout.path / "venv/.installed-requirements.lock").write_text("unfinished\n")


def lose_the_stamp(checkout: Checkout) -> None:
    (checkout.path / "venv/.installed-requirements.lock").unlink()


@pytest.mark.parametrize(
    "damage", [lose_python, break_python, lose_everything, lose_a_package, interrupt_pip, lose_the_stamp]
)
def test_a_half_made_venv_is_repaired(installed: Checkout, damage: Callable[[Checkout], None]) -> None:
    damage(installed)
    result = installed.run("./install.sh")
    assert (result.status, result.err) == (0, "")
    assert installed.run("venv/bin/python", "-c", "import taosws").status == 0
    assert installed.run("./install.sh").out == "venv/ is up to date\n"


def test_a_moved_checkout_gets_a_venv_for_its_new_place(installed: Checkout) -> None:
    installed.path = installed.path.rename(installed.path.with_name("moved"))
    assert installed.run("./install.sh").status == 0
    assert "moved/venv" in (installed.path / "venv/bin/activate").read_text()


def test_packages_that_do_not_import_are_installed_once_more_into_a_new_venv(checkout: Checkout) -> None:
    # Here pip succeeds and installs nothing that works, in the old venv and in the new one.
    (checkout.path.parent / "modules/taosws.py").write_text("raise ImportError")
    result = checkout.run("./install.sh")
    assert result.status == 1
    assert "cannot be imported" in result.error()


def test_a_venv_of_the_users_own_is_kept(installed: Checkout) -> None:
    lose_the_stamp(installed)
    (installed.path / "venv/mine").touch()
    assert installed.run("./install.sh").status == 0
    assert (installed.path / "venv/mine").exists()


def test_without_python3_one_line_says_what_to_install(checkout: Checkout) -> None:
    (checkout.stubs / "python3").unlink()
    result = checkout.run("./install.sh")
    assert result.status == 1
    assert "no python3 found" in result.error()
    assert "apt install python3" in result.err
    assert not (checkout.path / "venv").exists()


OLD = 'case "$*" in *platform*) echo 3.9.6 ;; *) exit 1 ;; esac'


def test_an_old_python_is_named_with_its_version(checkout: Checkout) -> None:
    checkout.stub("python3", OLD)
    result = checkout.run("./install.sh")
    assert result.status == 1
    assert "python3 is Python 3.9.6, and 3.11 or newer is needed" in result.error()


def test_beside_an_old_python3_a_newer_one_is_found(checkout: Checkout) -> None:
    (checkout.stubs / "python3").rename(checkout.stubs / "python3.12")
    checkout.stub("python3", OLD)
    assert checkout.run("./install.sh").status == 0


def test_a_python_that_is_named_is_used_or_refused(checkout: Checkout) -> None:
    (checkout.stubs / "python3").rename(checkout.stubs / "snake")
    checkout.stub("old", 'case "$2" in "") ;; *) exit 1 ;; esac')
    assert "PYTHON=old is older than 3.11" in checkout.run("./install.sh", PYTHON="old").error()
    assert "PYTHON=none does not run" in checkout.run("./install.sh", PYTHON="none").error()
    assert checkout.run("./install.sh", PYTHON="snake").status == 0


def test_a_python_without_venv_is_one_line_that_names_the_package(checkout: Checkout) -> None:
    (checkout.path.parent / "modules/ensurepip/__init__.py").write_text("raise ImportError")
    result = checkout.run("./install.sh")
    assert result.status == 1
    assert "sudo apt install python3-venv" in result.error()
    assert not (checkout.path / "venv").exists()


NO_NETWORK = """WARNING: Retrying (Retry(total=1, connect=None)) after connection broken by 'NewConnectionError(
'<pip._vendor.urllib3.connection.HTTPSConnection object>: Failed to establish a new connection: [Errno -3]')'
ERROR: Could not find a version that satisfies the requirement taospy==2.8.10 (from versions: none)
ERROR: No matching distribution found for taospy==2.8.10"""


def test_without_a_network_one_line_says_so_and_names_the_log(checkout: Checkout) -> None:
    result = checkout.run("./install.sh", PIP_FAILS="1", PIP_SAYS=NO_NETWORK)
    assert result.status == 1
    assert "cannot reach the package index: check the network" in result.error()
    assert "logs/install.log" in result.err
    assert "Retrying" in (checkout.path / "logs/install.log").read_text()


def test_another_failure_of_pip_is_one_line_with_pips_reason(checkout: Checkout) -> None:
    result = checkout.run("./install.sh", PIP_FAILS="1", PIP_SAYS="ERROR: No matching distribution found for x==1")
    assert result.status == 1
    assert "No matching distribution found for x==1" in result.error()


def test_a_venv_survives_new_requirements_that_cannot_be_fetched(installed: Checkout) -> None:
    with open(installed.path / "requirements.lock", "a") as file:
        file.write("# changed\n")
    for _ in range(2):
        assert installed.run("./install.sh", PIP_FAILS="1", PIP_SAYS=NO_NETWORK).status == 1
    assert installed.run("venv/bin/python", "-c", "import taosws").status == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interruption_ends_pip_and_its_children_and_the_next_run_repairs(
    checkout: Checkout, tmp_path: Path, number: signal.Signals
) -> None:
    use_python(checkout, exec_="")
    pids_file = tmp_path / "pids"
    with checkout.started("./install.sh", PIP_HANGS=str(pids_file)) as process:
        wait_until(lambda: pids_file.exists() and pids_file.read_text().endswith("\n"), "pip at work")
        os.killpg(process.pid, number)
        _, err = process.communicate(timeout=10)
    assert process.returncode == 130
    assert "interrupted" in err
    pids = [int(pid) for pid in pids_file.read_text().split()]
    wait_until(lambda: not any(map(is_alive, pids)), f"processes {pids} gone")
    assert checkout.run("./install.sh").status == 0
    assert checkout.run("./install.sh").out == "venv/ is up to date\n"


def test_two_at_once_install_once(checkout: Checkout, tmp_path: Path) -> None:
    go_on = tmp_path / "go on"
    with checkout.started("./install.sh", PIP_WAITS=str(go_on)) as first:
        wait_until(lambda: checkout.calls("pip"), "pip at work")
        with checkout.started("./install.sh") as second:
            assert second.stdout is not None
            assert second.stdout.readline().startswith("Waiting for another install.sh")
            go_on.touch()
            assert (second.wait(20), first.wait(20)) == (0, 0)
    assert checkout.calls("pip") == ["pip --require-hashes -r requirements.lock"]


def test_a_wrong_option_is_one_line_and_exit_2(checkout: Checkout) -> None:
    result = checkout.run("./install.sh", "--nonsense")
    assert result.status == 2
    assert "unknown option --nonsense" in result.error()


def test_help_goes_to_stdout_and_installs_nothing(checkout: Checkout) -> None:
    result = checkout.run("./install.sh", "--help")
    assert (result.status, result.err) == (0, "")
    assert result.out.startswith("Usage: ./install.sh")
    assert not (checkout.path / "venv").exists()
