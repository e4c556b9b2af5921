"""install.sh, with a real Python and real venvs, a stub pip that installs empty modules, and a stub curl."""

import io
import os
import pty
import shlex
import shutil
import signal
import subprocess
import sys
import tarfile
from collections.abc import Callable, Sequence
from copy import copy as shallow_copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from script_helpers import ROOT, Checkout, Result, is_alive, make_checkout, wait_until

MODULES = "duckdb perspective pyarrow sqlglot taosrest taosws tornado"
PACKAGES = {"taos-ws-py": "0.7.0", "perspective-python": "5.6.1", "tornado": "6.6.1"}
WORKS = "Works: taos-ws-py 0.7.0, perspective-python 5.6.1, tornado 6.6.1"

# Runs as `python -m pip config list`, and tells STUB_CONFIG; and as `python -m pip install ... -r FILE`: notes the
# file's name and how pip is set, then does what STUB_* say.
PIP = f"""
import os, subprocess, sys, time
from pathlib import Path

if sys.argv[1] == "config":
    sys.exit(print(os.environ.get("STUB_CONFIG", "")))
with open(os.environ["CALLS"], "a") as calls:
    print("pip", *sys.argv[-3:], file=calls)
    settings = [name + "=" + value for name, value in sorted(os.environ.items()) if name.startswith("PIP_")]
    print("set:", *settings, file=calls)
print(os.environ.get("STUB_SAYS", ""))
if "STUB_HANGS" in os.environ:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    Path(os.environ["STUB_HANGS"]).write_text(f"{{os.getpid()}} {{child.pid}}\\n")
    time.sleep(60)
if "STUB_WAITS" in os.environ:
    while not os.path.exists(os.environ["STUB_WAITS"]):
        time.sleep(0.02)
if os.environ.get("STUB_FAILS", "never") in os.environ.get("PIP_INDEX_URL", ""):
    sys.exit(1)
packages = Path(sys.prefix, "lib", "python%d.%d" % sys.version_info[:2], "site-packages")
for name in "{MODULES}".split():
    (packages / (name + ".py")).touch()
(packages / "google" / "protobuf").mkdir(parents=True, exist_ok=True)
for name, version in {PACKAGES}.items():
    info = packages / (name.replace("-", "_") + "-" + version + ".dist-info")
    info.mkdir(exist_ok=True)
    (info / "METADATA").write_text("Name: " + name + "\\nVersion: " + version + "\\n")
"""

# taospy's module: here its driver is whatever LD_LIBRARY_PATH begins with.
TAOS = """
import os
__version__ = "2.8.10"
driver = os.environ["LD_LIBRARY_PATH"].split(":")[0]
if open(driver + "/libtaos.so", "rb").read(3) != b"\\x7fEL":
    raise ImportError("unable to load taos client library: file too short")
"""
CINTERFACE = "def taos_get_client_info(): return '3.4.2.8'"

VERSION = "3.4.2.8"
URL = f"https://downloads.tdengine.com/tdengine-tsdb-oss/{VERSION}/tdengine-tsdb-oss-client-{VERSION}-linux-{{}}.tar.gz"
ONLY_PYTHON = ("--no-client", "--no-profile")
DRIVER = "tdengine-client/driver"
TOP = f"tdengine-tsdb-oss-client-{VERSION}"
LIBRARY = f"libtaos.so.{VERSION}"
USTAR, GNU, PAX = tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT


def use_python_with_stubs(checkout: Checkout, exec_: str = "exec") -> None:
    """Put a python3 on the PATH that has a stub pip, and so have the venvs that it makes."""
    modules = checkout.path.parent / "modules"
    line = f"import sys; sys.path.insert(0, {str(modules)!r})"
    python = shlex.quote(f"{sys.base_prefix}/bin/python3")  # no venv's, which would heed no PYTHONPATH
    script = checkout.stubs / "python3"
    script.write_text(
        f"""#!{shutil.which("bash")}
export PYTHONPATH={shlex.quote(str(modules))}
case "$*" in
  *"print(sys.executable)"*) echo "$0"; exit ;;
  "-m venv "*)
    {python} "$@" || exit
    for packages in "${{@: -1}}"/lib/python*/site-packages; do echo {shlex.quote(line)} >"$packages/stubs.pth"; done
    exit
    ;;
esac
{exec_} {python} "$@"
"""
    )
    script.chmod(0o755)


def make_checkout_to_install(directory: Path) -> Checkout:
    files = ("requirements/demo.lock", "requirements/dev.lock", "requirements/bare.py")
    checkout = make_checkout(directory, "install.sh", *files)
    use_python_with_stubs(checkout)
    modules = directory / "modules"
    for name, code in {"pip": {"__main__": PIP}, "ensurepip": {}, "taos": {"cinterface": CINTERFACE}}.items():
        (modules / name).mkdir(parents=True)
        (modules / name / "__init__.py").write_text(TAOS if name == "taos" else "")
        for module, text in ({"__main__": ""} | code).items():
            (modules / name / f"{module}.py").write_text(text)
    checkout.env["CALLS"] = str(checkout.calls_file)
    checkout.stub("uname", 'case "$1" in -s) echo "${SYSTEM:-Linux}" ;; -m) echo "${MACHINE:-x86_64}" ;; esac')
    checkout.stub("curl", "exit 6")
    return checkout


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return make_checkout_to_install(tmp_path)


def copy(tree: Path, to: Path) -> None:
    """Copy a directory; ten times as fast as shutil does."""
    subprocess.run(["cp", "-a", tree, to], check=True)


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A checkout in which install.sh has run, and a copy of it beside."""
    checkout = make_checkout_to_install(tmp_path_factory.mktemp("installed"))
    assert checkout.run("./install.sh", "--no-client", "--no-profile").status == 0
    checkout.calls_file.unlink()
    copy(checkout.path.parent, checkout.path.parent.with_suffix(".copy"))
    return checkout


@pytest.fixture
def installed(pristine: Checkout) -> Checkout:
    """A checkout in which install.sh has run, as it was right after: at the same place, as a venv cannot be moved."""
    place = pristine.path.parent
    shutil.rmtree(place)
    copy(place.with_suffix(".copy"), place)
    return replace(pristine, env=dict(pristine.env))


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A client as it is to be downloaded, its libraries full of noise."""
    directory = tmp_path_factory.mktemp("client")
    return make_archive(directory, f"libtaos.so.{VERSION}", f"libtaosnative.so.{VERSION}", "vercomp.txt")


def make_archive(
    directory: Path, *files: str, size: int = 1_000_000, more: Sequence[tarfile.TarInfo] = (), format: int = PAX
) -> Path:
    """An archive with these files in driver/, full of noise, and more entries after them."""
    archive = directory / "client.tar.gz"
    with tarfile.open(archive, "w:gz", compresslevel=1, format=format) as tar:
        for file in files:
            tar.addfile(entry(f"{TOP}/driver/{file}", size=size), io.BytesIO(b"\x7fELF" + os.urandom(size)))
        for member in more:
            tar.addfile(member, io.BytesIO(b"?" * member.size))
    return archive


def entry(name: str, **attributes: Any) -> tarfile.TarInfo:
    """What an archive says of a file of one byte, or of something else that is described."""
    member = tarfile.TarInfo(name)
    for attribute, value in ({"size": 0 if "type" in attributes else 1} | attributes).items():
        setattr(member, attribute, value)
    return member


def link(name: str, to: str, hard: bool = False) -> tarfile.TarInfo:
    """What an archive says of a link."""
    return entry(name, type=tarfile.LNKTYPE if hard else tarfile.SYMTYPE, linkname=to)


def offer(checkout: Checkout, archive: Path) -> None:
    """Let curl download the archive."""
    find_output = 'while [ $# -gt 0 ]; do if [ "$1" = --output ]; then to=$2; fi; shift; done'
    checkout.stub("curl", f'{find_output}; cp {shlex.quote(str(archive))} "$to"')


def tree(directory: Path) -> dict[str, str]:
    """All that is in a directory: files with how they begin, links with where they lead, devices."""
    found = {}
    for path in directory.rglob("*"):
        if path.is_symlink():
            found[str(path.relative_to(directory))] = f"-> {os.readlink(path)}"
        elif not path.is_dir():
            found[str(path.relative_to(directory))] = repr(path.read_bytes()[:4]) if path.is_file() else "a device"
    return found


def site_packages(checkout: Checkout) -> Path:
    (found,) = checkout.path.glob("venv/lib/python*/site-packages")
    return found


def test_a_first_run_makes_the_venv_and_installs_the_requirements(checkout: Checkout) -> None:
    result = checkout.run("./install.sh", *ONLY_PYTHON)
    assert (result.status, result.err) == (0, "")
    *_, ready, works = result.out.splitlines()
    assert ready == "venv/ is ready"
    assert works.startswith(WORKS)
    assert checkout.calls("pip") == ["pip --require-hashes -r requirements/demo.lock"]
    assert checkout.run("venv/bin/python", "-c", "import taosws").status == 0


def test_it_works_on_its_own_directory_wherever_it_is_called_from(checkout: Checkout) -> None:
    result = checkout.run(
        "bash",
        "-c",
        f"mkdir ../elsewhere; cd ../elsewhere; '{checkout.path}/install.sh' --no-client --no-profile",
        CDPATH="..",
    )
    assert result.status == 0
    assert (checkout.path / "venv/bin/python").exists()


def test_a_second_run_does_nothing(installed: Checkout) -> None:
    result = installed.run("./install.sh", *ONLY_PYTHON)
    assert (result.status, result.out, result.err) == (0, "venv/ is up to date\n", "")
    assert installed.calls("pip") == []


def test_a_second_run_needs_no_python3(installed: Checkout) -> None:
    (installed.stubs / "python3").unlink()
    assert installed.run("./install.sh", *ONLY_PYTHON).status == 0


def test_changed_requirements_are_installed_into_the_same_venv(installed: Checkout) -> None:
    (installed.path / "venv/mine").touch()
    with open(installed.path / "requirements/demo.lock", "a") as file:
        file.write("# changed\n")
    assert installed.run("./install.sh", *ONLY_PYTHON).status == 0
    assert installed.calls("pip") == ["pip --require-hashes -r requirements/demo.lock"]
    assert (installed.path / "venv/mine").exists()
    assert installed.run("./install.sh", *ONLY_PYTHON).out == "venv/ is up to date\n"


def test_dev_installs_the_requirements_of_the_tests_as_well(checkout: Checkout) -> None:
    assert checkout.run("./install.sh", *ONLY_PYTHON, "--dev").status == 0
    assert checkout.calls("pip") == [
        "pip --require-hashes -r requirements/demo.lock",
        "pip --require-hashes -r requirements/dev.lock",
    ]
    assert checkout.run("./install.sh", *ONLY_PYTHON, "--dev").out == "venv/ is up to date\n"
    assert checkout.run("./install.sh", *ONLY_PYTHON).out == "venv/ is up to date\n"


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
    (checkout.path / "venv/.installed-demo.lock").write_text("unfinished\n")


def lose_the_stamp(checkout: Checkout) -> None:
    (checkout.path / "venv/.installed-demo.lock").unlink()


@pytest.mark.parametrize(
    "damage", [lose_python, break_python, lose_everything, lose_a_package, interrupt_pip, lose_the_stamp]
)
def test_a_half_made_venv_is_repaired(installed: Checkout, damage: Callable[[Checkout], None]) -> None:
    damage(installed)
    result = installed.run("./install.sh", *ONLY_PYTHON)
    assert (result.status, result.err) == (0, "")
    assert installed.run("venv/bin/python", "-c", "import taosws").status == 0
    assert installed.run("./install.sh", *ONLY_PYTHON).out == "venv/ is up to date\n"


def test_a_moved_checkout_gets_a_venv_for_its_new_place(installed: Checkout) -> None:
    installed.path = installed.path.rename(installed.path.with_name("moved"))
    assert installed.run("./install.sh", *ONLY_PYTHON).status == 0
    assert "moved/venv" in (installed.path / "venv/bin/activate").read_text()


def test_packages_that_do_not_import_are_installed_once_more_into_a_new_venv(checkout: Checkout) -> None:
    # Here pip succeeds and installs nothing that works, in the old venv and in the new one.
    (checkout.path.parent / "modules/taosws.py").write_text("raise ImportError")
    result = checkout.run("./install.sh", *ONLY_PYTHON)
    assert result.status == 1
    assert "cannot be imported" in result.error()


def test_a_venv_of_the_users_own_is_kept(installed: Checkout) -> None:
    lose_the_stamp(installed)
    (installed.path / "venv/mine").touch()
    assert installed.run("./install.sh", *ONLY_PYTHON).status == 0
    assert (installed.path / "venv/mine").exists()


@pytest.mark.parametrize("damage", [None, lose_python, lose_everything, lose_the_stamp])
def test_a_venv_that_is_a_link_is_refused_and_what_it_leads_to_is_left_alone(
    installed: Checkout, damage: Callable[[Checkout], None] | None
) -> None:
    (installed.path / "venv/mine").touch()
    if damage is not None:
        damage(installed)
    elsewhere = installed.path.parent / "elsewhere"
    (installed.path / "venv").rename(elsewhere)
    (installed.path / "venv").symlink_to(elsewhere)
    before = tree(elsewhere)
    result = installed.run("./install.sh", *ONLY_PYTHON)
    assert result.status == 1
    assert "venv is a link" in result.error()
    assert "remove the link (rm venv) and run ./install.sh again" in result.err
    assert tree(elsewhere) == before
    assert installed.calls("pip") == []
    assert (installed.path / "venv").readlink() == elsewhere


def test_a_venv_that_is_a_link_to_nowhere_makes_nothing_there(checkout: Checkout) -> None:
    (checkout.path / "venv").symlink_to("../nowhere")
    assert "venv is a link" in checkout.run("./install.sh", *ONLY_PYTHON).error()
    assert not (checkout.path.parent / "nowhere").exists()


def test_without_python3_one_line_says_what_to_install(checkout: Checkout) -> None:
    (checkout.stubs / "python3").unlink()
    result = checkout.run("./install.sh", *ONLY_PYTHON)
    assert result.status == 1
    assert "no python3 found" in result.error()
    assert "apt install python3" in result.err
    assert not (checkout.path / "venv").exists()


@pytest.mark.parametrize("damage", [None, lose_python, interrupt_pip])
def test_a_polluted_environment_changes_nothing(
    installed: Checkout, tmp_path: Path, damage: Callable[[Checkout], None] | None
) -> None:
    """Neither of a venv that works, which is left alone, nor of one that does not."""
    (tmp_path / "tornado.py").write_text("raise ImportError('another program has broken this')")
    python = dict.fromkeys(("PYTHONHOME", "PYTHONPATH", "PYTHONPLATLIBDIR"), str(tmp_path))
    python |= {"PYTHONSAFEPATH": "1", "PYTHONWARNINGS": "error", "PYTHONINSPECT": "1", "PYTHONOPTIMIZE": "2"}
    others = {"VIRTUAL_ENV": "/no/such/venv", "CONDA_PREFIX": "/no/such", "UV_PYTHON": "2.7", "CDPATH": "/"}
    (installed.path / "venv/mine").touch()
    if damage:
        damage(installed)
    result = installed.run("./install.sh", *ONLY_PYTHON, **python, **others)
    assert (result.status, result.err) == (0, "")
    assert result.out == "venv/ is up to date\n" or damage
    assert (installed.path / "venv/mine").exists() == (damage is None)


def test_the_python_of_the_venv_does_not_heed_it_either(installed: Checkout, tmp_path: Path) -> None:
    """By hand, scripts and modules of the root run as in a bare one, and what they start does."""
    (tmp_path / "tornado.py").write_text("raise ImportError('another program has broken this')")
    (installed.path / "neighbour").mkdir()
    (installed.path / "neighbour/__main__.py").write_text(
        "import os, subprocess, sys, tornado, warnings; warnings.warn('of a package', ImportWarning)\n"
        "if not sys.argv[1:]: sys.exit(subprocess.call([sys.executable, '-m', 'neighbour', 'again']))\n"
    )
    (installed.path / "script.py").write_text("import neighbour, tornado")
    polluted = {"PYTHONPATH": str(tmp_path), "PYTHONSAFEPATH": "1", "PYTHONWARNINGS": "error"}
    for command in (["script.py"], ["-m", "neighbour"]):
        result = installed.run("venv/bin/python", *command, **polluted)
        assert (result.status, result.err) == (0, "")


MIRROR = "https://mirror.example/simple"


def pip_settings(checkout: Checkout) -> list[str]:
    """How pip was set, at each of its runs."""
    return [line.removeprefix("set:").strip() for line in checkout.calls("set:")]


def test_of_pips_settings_those_hold_that_say_how_an_index_is_reached(checkout: Checkout) -> None:
    said = f"""global.cert='/etc/company.pem'
global.index-url='https://old.example'
global.user='yes'
install.target='/elsewhere'
install.prefix='/elsewhere'
install.no-deps='1'
:env:.index-url='{MIRROR}'
:env:.user='1'"""
    polluted = {"PIP_USER": "1", "PIP_TARGET": "/elsewhere", "PIP_PREFIX": "/elsewhere", "PIP_REQUIRE_VIRTUALENV": "1"}
    assert checkout.run("./install.sh", *ONLY_PYTHON, STUB_CONFIG=said, **polluted).status == 0
    assert pip_settings(checkout) == [f"PIP_CERT=/etc/company.pem PIP_CONFIG_FILE=/dev/null PIP_INDEX_URL={MIRROR}"]


def test_an_index_of_the_callers_that_does_not_answer_is_passed_over(checkout: Checkout) -> None:
    said = f"global.index-url='{MIRROR}'\nglobal.proxy='http://proxy.example'"
    result = checkout.run("./install.sh", *ONLY_PYTHON, STUB_CONFIG=said, STUB_FAILS=MIRROR, STUB_SAYS=NO_NETWORK)
    assert (result.status, result.err) == (0, "")
    bare = "PIP_CONFIG_FILE=/dev/null {}PIP_PROXY=http://proxy.example"
    assert pip_settings(checkout) == [bare.format(f"PIP_INDEX_URL={MIRROR} "), bare.format("")]


def test_a_venv_is_kept_until_its_successor_is_whole(installed: Checkout, tmp_path: Path) -> None:
    """Whether the making of that fails, or is interrupted, or killed."""
    (installed.path / "venv/mine").touch()
    interrupt_pip(installed)
    assert installed.run("./install.sh", *ONLY_PYTHON, STUB_FAILS="", STUB_SAYS=NO_NETWORK).status == 1
    assert (installed.path / "venv/mine").exists()
    pids_file = tmp_path / "pids"
    for number in (signal.SIGTERM, signal.SIGKILL):
        interrupt_pip(installed)
        pids_file.unlink(missing_ok=True)
        with installed.started("./install.sh", *ONLY_PYTHON, STUB_HANGS=str(pids_file)) as process:
            wait_until(lambda: pids_file.exists() and pids_file.read_text().endswith("\n"), "pip at work")
            assert not (installed.path / "venv/mine").exists()
            process.send_signal(number)
            process.wait(10)
        for pid in map(int, pids_file.read_text().split()):
            if is_alive(pid):
                os.kill(pid, signal.SIGKILL)
        assert number == signal.SIGKILL or (installed.path / "venv/mine").exists()
    assert installed.run("./install.sh", *ONLY_PYTHON, STUB_FAILS="", STUB_SAYS=NO_NETWORK).status == 1
    assert (installed.path / "venv/mine").exists()
    assert installed.run("./install.sh", *ONLY_PYTHON).status == 0
    assert not (installed.path / "logs/venv.before").exists()


OLD = 'case "$*" in *platform*) echo 3.9.6 ;; *) exit 1 ;; esac'


def test_an_old_python_is_named_with_its_version(checkout: Checkout) -> None:
    checkout.stub("python3", OLD)
    result = checkout.run("./install.sh", *ONLY_PYTHON)
    assert result.status == 1
    assert "python3 is Python 3.9.6, and 3.11 or newer is needed" in result.error()


def test_beside_an_old_python3_a_newer_one_is_found(checkout: Checkout) -> None:
    (checkout.stubs / "python3").rename(checkout.stubs / "python3.12")
    checkout.stub("python3", OLD)
    assert checkout.run("./install.sh", *ONLY_PYTHON).status == 0


def test_a_python_that_is_named_is_used_or_refused(checkout: Checkout) -> None:
    (checkout.stubs / "python3").rename(checkout.stubs / "snake")
    checkout.stub("old", 'case "$2" in "") ;; *) exit 1 ;; esac')
    assert "PYTHON=old is older than 3.11" in checkout.run("./install.sh", *ONLY_PYTHON, PYTHON="old").error()
    assert "PYTHON=none does not run" in checkout.run("./install.sh", *ONLY_PYTHON, PYTHON="none").error()
    assert checkout.run("./install.sh", *ONLY_PYTHON, PYTHON="snake").status == 0


def test_a_python_without_venv_is_one_line_that_names_the_package(checkout: Checkout) -> None:
    (checkout.path.parent / "modules/ensurepip/__init__.py").write_text("raise ImportError")
    result = checkout.run("./install.sh", *ONLY_PYTHON)
    assert result.status == 1
    assert "sudo apt install python3-venv" in result.error()
    assert not (checkout.path / "venv").exists()


NO_NETWORK = """WARNING: Retrying (Retry(total=1, connect=None)) after connection broken by 'NewConnectionError(
'<pip._vendor.urllib3.connection.HTTPSConnection object>: Failed to establish a new connection: [Errno -3]')'
ERROR: Could not find a version that satisfies the requirement taospy==2.8.10 (from versions: none)
ERROR: No matching distribution found for taospy==2.8.10"""


def test_without_a_network_one_line_says_so_and_names_the_log(checkout: Checkout) -> None:
    result = checkout.run("./install.sh", *ONLY_PYTHON, STUB_FAILS="", STUB_SAYS=NO_NETWORK)
    assert result.status == 1
    assert "cannot reach the package index: check the network" in result.error()
    assert "logs/install.log" in result.err
    assert "Retrying" in (checkout.path / "logs/install.log").read_text()


def test_another_failure_of_pip_is_one_line_with_pips_reason(checkout: Checkout) -> None:
    result = checkout.run(
        "./install.sh", *ONLY_PYTHON, STUB_FAILS="", STUB_SAYS="ERROR: No matching distribution found for x==1"
    )
    assert result.status == 1
    assert "No matching distribution found for x==1" in result.error()


def test_a_venv_survives_new_requirements_that_cannot_be_fetched(installed: Checkout) -> None:
    with open(installed.path / "requirements/demo.lock", "a") as file:
        file.write("# changed\n")
    for _ in range(2):
        assert installed.run("./install.sh", *ONLY_PYTHON, STUB_FAILS="", STUB_SAYS=NO_NETWORK).status == 1
    assert installed.run("venv/bin/python", "-c", "import taosws").status == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interruption_ends_pip_and_its_children_and_the_next_run_repairs(
    checkout: Checkout, tmp_path: Path, number: signal.Signals
) -> None:
    use_python_with_stubs(checkout, exec_="")
    pids_file = tmp_path / "pids"
    with checkout.started("./install.sh", *ONLY_PYTHON, STUB_HANGS=str(pids_file)) as process:
        wait_until(lambda: pids_file.exists() and pids_file.read_text().endswith("\n"), "pip at work")
        os.killpg(process.pid, number)
        _, err = process.communicate(timeout=10)
    assert process.returncode == 130
    assert "interrupted" in err
    pids = [int(pid) for pid in pids_file.read_text().split()]
    wait_until(lambda: not any(map(is_alive, pids)), f"processes {pids} gone")
    assert checkout.run("./install.sh", *ONLY_PYTHON).status == 0
    assert checkout.run("./install.sh", *ONLY_PYTHON).out == "venv/ is up to date\n"


def test_two_at_once_install_once(checkout: Checkout, tmp_path: Path) -> None:
    go_on = tmp_path / "go on"
    with checkout.started("./install.sh", *ONLY_PYTHON, STUB_WAITS=str(go_on)) as first:
        wait_until(lambda: checkout.calls("pip"), "pip at work")
        with checkout.started("./install.sh", *ONLY_PYTHON) as second:
            assert second.stdout is not None
            assert second.stdout.readline().startswith("Waiting for another install.sh")
            go_on.touch()
            assert (second.wait(20), first.wait(20)) == (0, 0)
    assert checkout.calls("pip") == ["pip --require-hashes -r requirements/demo.lock"]


def test_the_client_is_downloaded_for_this_system_over_https_and_unpacked(installed: Checkout, archive: Path) -> None:
    offer(installed, archive)
    result = installed.run("./install.sh", "--no-profile")
    assert (result.status, result.err) == (0, "")
    (curl,) = installed.calls("curl")
    assert curl.endswith(" " + URL.format("x64"))
    for option in ("--fail", "--location", "--proto =https", "--proto-redir =https"):
        assert f" {option} " in curl
    driver = installed.path / DRIVER
    assert os.readlink(driver / "libtaos.so") == f"libtaos.so.{VERSION}"
    assert os.readlink(driver / "libtaosnative.so") == f"libtaosnative.so.{VERSION}"
    assert (driver / f"libtaos.so.{VERSION}").stat().st_size == 1_000_000
    assert (driver / "vercomp.txt").exists()
    assert not (installed.path / "logs/client").exists()
    works, native = result.out.splitlines()[-2:]
    assert works.startswith(WORKS)
    assert native == f"Works: taospy 2.8.10 with the native client {VERSION}"


def test_the_client_is_of_the_version_of_docker_shs_image() -> None:
    assert f"readonly client={VERSION} " in (ROOT / "install.sh").read_text()
    assert f"tdengine/tsdb:{VERSION}" in (ROOT / "docker.sh").read_text()


def test_an_arm_machine_gets_the_client_for_arm(installed: Checkout, archive: Path) -> None:
    offer(installed, archive)
    assert installed.run("./install.sh", "--no-profile", MACHINE="aarch64").status == 0
    assert installed.calls("curl")[0].endswith(URL.format("arm64"))


@pytest.mark.parametrize(("system", "machine"), [("Darwin", "arm64"), ("Linux", "riscv64")])
def test_where_there_is_no_client_it_says_so_and_why_none_is_needed(
    installed: Checkout, system: str, machine: str
) -> None:
    result = installed.run("./install.sh", SYSTEM=system, MACHINE=machine)
    assert (result.status, result.err) == (0, "")
    assert f"No native client for {system} {machine}: the demo needs none, as it speaks WebSocket\n" in result.out
    assert installed.calls("curl") == []
    assert profiles(installed) == {}


def test_a_client_that_is_there_is_not_downloaded_again(installed: Checkout, archive: Path) -> None:
    offer(installed, archive)
    installed.run("./install.sh", "--no-profile")
    (installed.path / DRIVER / "mine").touch()
    result = installed.run("./install.sh", "--no-profile")
    assert "tdengine-client/ is up to date" in result.out
    assert len(installed.calls("curl")) == 1
    assert (installed.path / DRIVER / "mine").exists()


@pytest.mark.parametrize("damage", ["no library", "another version"])
def test_a_client_that_is_broken_or_old_is_replaced(installed: Checkout, archive: Path, damage: str) -> None:
    offer(installed, archive)
    (installed.path / DRIVER).mkdir(parents=True)
    if damage == "another version":
        (installed.path / DRIVER / "libtaos.so").touch()
        (installed.path / "tdengine-client/.version").write_text("3.3.5.0\n")
    assert installed.run("./install.sh", "--no-profile").status == 0
    assert (installed.path / DRIVER / f"libtaos.so.{VERSION}").exists()


def cut(archive: Path, to: Path) -> Path:
    """The first half of the archive."""
    content = archive.read_bytes()
    to.write_bytes(content[: len(content) // 2])
    return to


@pytest.mark.parametrize(
    ("curl", "reason"),
    [
        ("exit 6", "cannot be reached (curl says 6): check the network"),
        ("exit 22", "is not to be had"),
        ("exit 18", "the connection broke off"),
        (None, "curl is not installed"),
        ("page", "the download is too small to be the client"),
        ("half", "the downloaded archive is damaged"),
        ("empty", f"the downloaded archive has no driver/libtaos.so.{VERSION}"),
    ],
)
def test_a_failed_download_is_one_line_that_says_what_does_not_work_and_the_rest_is_installed(
    installed: Checkout, archive: Path, tmp_path: Path, curl: str | None, reason: str
) -> None:
    if curl is None:
        (installed.stubs / "curl").unlink()
    elif curl == "half":
        offer(installed, cut(archive, tmp_path / "half"))
    elif curl == "empty":
        offer(installed, make_archive(tmp_path, "libtaosws.so"))
    elif curl == "page":
        (tmp_path / "page").write_text("<html>Sign in to this network</html>")
        offer(installed, tmp_path / "page")
    else:
        installed.stub("curl", curl)
    result = installed.run("./install.sh")
    assert result.status == 0
    assert reason in result.error()
    assert "The demo does not need it; taospy's native module (import taos) does" in result.err
    assert result.out.splitlines()[-1].startswith(WORKS)
    assert not (installed.path / "tdengine-client").exists()
    assert not (installed.path / "logs/client").exists()
    assert profiles(installed) == {}


def install_archive(checkout: Checkout, *entries: tarfile.TarInfo, format: int = PAX) -> tuple[Result, dict[str, str]]:
    """Install a client that has these entries besides its library: what is said of it, and what it has brought.

    `{around}` in them is the directory around the checkout, which may not change, nor the checkout but for its logs.
    """
    around = checkout.path.parent
    placed = list(map(shallow_copy, entries))
    for member in placed:
        member.name = member.name.replace("{around}", str(around))
        member.linkname = member.linkname.replace("{around}", str(around))
    (around / "victim").write_text("mine")
    checkout.env["PYTHONDONTWRITEBYTECODE"] = "1"
    (around / "archive").mkdir()
    offer(checkout, make_archive(around / "archive", LIBRARY, more=placed, format=format))
    before = tree(around)
    result = checkout.run("./install.sh", "--no-profile")
    own = f"{checkout.path.name}/tdengine-client/", f"{checkout.path.name}/logs/", "calls"
    after = tree(around)
    assert {name for name in after if not name.startswith(own)} == {name for name in before if not name.startswith(own)}
    assert all(after[name] == before[name] for name in before if not name.startswith(own))
    assert not (checkout.path / "logs/client").exists()
    return result, tree(checkout.path / "tdengine-client")


CLIENT = {f"driver/{LIBRARY}": repr(b"\x7fELF"), "driver/libtaos.so": f"-> {LIBRARY}", ".version": repr(b"3.4.")}
"""What an archive with nothing but the library brings."""


@pytest.mark.parametrize(
    "entries",
    [
        [entry("{around}/planted")],
        [entry("{around}/victim")],
        [entry("../planted")],
        [entry(f"{TOP}/../../planted")],
        [entry(f"{TOP}/driver/../../../planted")],
        [entry(f"{TOP}/driver/..", type=tarfile.DIRTYPE)],
        [entry(f"./{TOP}/examples/./../../planted")],
        [link(f"{TOP}/driver/x", "{around}/victim", hard=True)],
        [link(f"{TOP}/driver/x", "../../victim", hard=True)],
        [link(f"{TOP}/driver/x", f"{TOP}/../../victim", hard=True), entry(f"{TOP}/driver/x")],
        [entry(f"{TOP}/driver/x", type=tarfile.FIFOTYPE)],
        [entry(f"{TOP}/driver/x", type=tarfile.CHRTYPE, devmajor=1, devminor=3)],
        [entry(f"{TOP}/bin/x", type=tarfile.BLKTYPE, devmajor=1, devminor=3)],
    ],
)
def test_an_archive_that_leads_out_of_its_folder_or_has_devices_is_refused(
    installed: Checkout, entries: list[tarfile.TarInfo]
) -> None:
    result, brought = install_archive(installed, *entries)
    assert result.status == 0
    assert "no native client, as the downloaded archive is not the client: it has entries that no client has" in (
        result.error()
    )
    assert "An entry that no client has: " in (installed.path / "logs/install.log").read_text().splitlines()[-1]
    assert brought == {}


@pytest.mark.parametrize(
    ("entries", "more"),
    [
        ([entry(f"{TOP}/bin/taos"), entry(f"{TOP}/install_client.sh"), entry(f"{TOP}/driver.txt")], {}),
        ([entry(f"{TOP}/package.tar.gz"), entry(f"{TOP}/examples/inner.tar.gz")], {"examples/inner.tar.gz": "?"}),
        ([entry("driver/x"), entry("planted"), entry(f"other/{TOP}/driver/x"), entry(TOP)], {}),
        ([entry(f"{TOP}/examples"), entry(f"{TOP}/driver")], {}),
        ([link(f"{TOP}/.version", "../../../../victim")], {}),
        ([link(TOP, "..")], {}),
        ([link(f"{TOP}/examples", ".."), entry(f"{TOP}/examples/x")], {"examples/x": "?"}),
        ([link(f"{TOP}/driver/x", "{around}/victim"), entry(f"{TOP}/driver/x")], {"driver/x": "?"}),
        ([link(f"{TOP}/driver/x", "{around}"), entry(f"{TOP}/driver/x/victim")], {"driver/x/victim": "?"}),
        ([link(f"{TOP}/driver/x", "../../../../.."), entry(f"{TOP}/driver/x/victim")], {"driver/x/victim": "?"}),
        ([link(f"{TOP}/driver/x", "."), link(f"{TOP}/driver/y", "x/.."), link(f"{TOP}/driver/z", "..")], {}),
        (
            [link(f"{TOP}/driver/a", "b"), link(f"{TOP}/driver/b", ".."), entry(f"{TOP}/driver/b/c")],
            {"driver/a": "-> b", "driver/b/c": "?"},
        ),
        ([link(f"{TOP}/examples/x", "../driver"), link(f"{TOP}/driver/x", "../examples/y")], {}),
    ],
)
def test_nothing_is_taken_but_driver_and_examples_and_no_link_but_to_a_neighbour(
    installed: Checkout, entries: list[tarfile.TarInfo], more: dict[str, str]
) -> None:
    result, brought = install_archive(installed, *entries)
    assert (result.status, result.err) == (0, "")
    assert brought == CLIENT | {name: repr(b"?") if what == "?" else what for name, what in more.items()}


@pytest.mark.parametrize(
    "entries",
    [
        [link(f"{TOP}/driver/x", "y"), entry(f"{TOP}/driver/x")],
        [link(f"{TOP}/driver/x", "y"), entry(f"{TOP}/driver/x/z")],
        [entry(f"{TOP}/driver/{LIBRARY}")],
        [link(f"{TOP}/driver/x", "no/such/entry", hard=True)],
        [link(f"{TOP}/driver/x", "y"), link(f"{TOP}/driver/y", f"{TOP}/driver/x", hard=True)],
    ],
)
def test_an_archive_that_contradicts_itself_is_damaged(installed: Checkout, entries: list[tarfile.TarInfo]) -> None:
    result, brought = install_archive(installed, *entries)
    assert "the downloaded archive is damaged" in result.error()
    assert brought == {}


def test_owner_and_mode_are_not_the_archives(installed: Checkout) -> None:
    attributes = {"uid": 4711, "gid": 4711, "uname": "nobody", "gname": "nogroup"}
    modes = {"all": 0o7777, "setuid": 0o4755, "setgid": 0o2644, "closed": 0o000, "open": 0o666}
    files = [entry(f"{TOP}/driver/{name}", mode=mode, **attributes) for name, mode in modes.items()]
    folder = entry(f"{TOP}/examples/folder", type=tarfile.DIRTYPE, mode=0o7777, **attributes)
    result, _ = install_archive(installed, *files, folder)
    assert result.err == ""
    client = installed.path / "tdengine-client"
    found = {path.name: path.stat() for path in [*client.glob("driver/*"), *client.glob("examples/*")]}
    assert {(stat.st_uid, stat.st_gid) for stat in found.values()} == {(os.getuid(), os.getgid())}
    assert [found[name].st_mode & 0o7111 for name in (*modes, "folder")] == [0o111, 0o111, 0, 0, 0, 0o111]


@pytest.mark.parametrize("top", [TOP, f"./{TOP}"])
@pytest.mark.parametrize("format", [USTAR, GNU, PAX])
def test_what_a_client_may_have_is_taken(installed: Checkout, top: str, format: int) -> None:
    result, brought = install_archive(
        installed,
        entry(top, type=tarfile.DIRTYPE),
        entry(f"{top}/examples/c", type=tarfile.DIRTYPE),
        entry(f"{top}/examples/c/demo.c"),
        entry(f"{top}/examples/{'a long name ' * 9}/ä\n.c"),
        link(f"{top}/driver/libtaos.so.1", f"./{LIBRARY}"),
        entry(f"{top}/driver/-x.so.1"),
        link(f"{top}/examples/copy.c", f"{top}/examples/c/demo.c", hard=True),
        format=format,
    )
    assert (result.status, result.err) == (0, "")
    assert brought == CLIENT | {
        "examples/c/demo.c": repr(b"?"),
        f"examples/{'a long name ' * 9}/ä\n.c": repr(b"?"),
        "driver/libtaos.so.1": f"-> {LIBRARY}",
        "driver/-x.so.1": repr(b"?"),
        "driver/-x.so": "-> -x.so.1",
        "examples/copy.c": repr(b"?"),
    }


def test_an_archive_that_tar_has_made_is_taken(installed: Checkout, tmp_path: Path) -> None:
    """With whichever tar this machine has; to unpack it, none is needed."""
    (installed.path.parent / "tools/tar").unlink()
    driver = tmp_path / TOP / "driver"
    driver.mkdir(parents=True)
    (driver / LIBRARY).write_bytes(b"\x7fELF" + os.urandom(1_000_000))
    (driver / "libtaos.so.1").symlink_to(LIBRARY)
    (driver / "same").hardlink_to(driver / LIBRARY)
    (driver.parent / "bin").mkdir()
    archive = tmp_path / "client.tar.gz"
    subprocess.run(["tar", "-czf", archive, "-C", tmp_path, TOP], check=True)
    offer(installed, archive)
    assert installed.run("./install.sh", "--no-profile").err == ""
    same = {"driver/libtaos.so.1": f"-> {LIBRARY}", "driver/same": repr(b"\x7fELF")}
    assert tree(installed.path / "tdengine-client") == CLIENT | same


def test_a_client_that_is_a_link_is_left_as_it_is(installed: Checkout, archive: Path) -> None:
    offer(installed, archive)
    elsewhere = installed.path.parent / "elsewhere"
    (elsewhere / "driver").mkdir(parents=True)
    (elsewhere / ".version").write_text("3.3.5.0\n")
    (installed.path / "tdengine-client").symlink_to(elsewhere)
    for there in (True, False):
        result = installed.run("./install.sh", "--no-profile")
        assert result.status == 0
        assert "tdengine-client is a link, and is left as it is" in result.error()
        assert (installed.path / "tdengine-client").readlink() == elsewhere
        assert tree(elsewhere) == ({".version": repr(b"3.3.")} if there else {})
        if there:
            shutil.rmtree(elsewhere)
    assert installed.calls("curl") == []


def test_a_failed_download_leaves_the_client_that_was_there(installed: Checkout) -> None:
    (installed.path / DRIVER).mkdir(parents=True)
    (installed.path / DRIVER / "libtaos.so").write_bytes(b"\x7fELF of before")
    result = installed.run("./install.sh", "--no-profile")
    assert "no native client" in result.error()
    assert (installed.path / DRIVER / "libtaos.so").read_bytes() == b"\x7fELF of before"


def test_an_interrupted_download_leaves_no_client_and_the_next_run_gets_one(
    installed: Checkout, archive: Path, tmp_path: Path
) -> None:
    pid_file = tmp_path / "pid"
    installed.stub("curl", f"echo $$ >{shlex.quote(str(pid_file))}; sleep 60")
    with installed.started("./install.sh", "--no-profile") as process:
        wait_until(lambda: pid_file.exists() and pid_file.read_text(), "the download")
        os.killpg(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=10)
    assert (process.returncode, err.splitlines()[-1]) == (130, "install.sh: interrupted: run it again to finish")
    wait_until(lambda: not is_alive(int(pid_file.read_text())), "curl gone")
    assert not (installed.path / "tdengine-client").exists()
    offer(installed, archive)
    assert installed.run("./install.sh", "--no-profile").status == 0
    assert (installed.path / DRIVER / "libtaos.so").exists()


def test_on_a_terminal_a_progress_bar_shows_the_download(installed: Checkout, archive: Path) -> None:
    offer(installed, archive)
    master, slave = pty.openpty()
    try:
        with subprocess.Popen(
            ["./install.sh", "--no-profile"], cwd=installed.path, env=installed.env, stdout=slave, stderr=slave
        ) as process:
            assert process.wait(20) == 0
    finally:
        os.close(slave)
        os.close(master)
    assert "curl --progress-bar " in installed.calls("curl")[0]


def test_a_client_that_does_not_load_is_one_line(installed: Checkout, archive: Path) -> None:
    offer(installed, archive)
    installed.run("./install.sh", "--no-profile")
    (installed.path / DRIVER / f"libtaos.so.{VERSION}").write_text("?")
    result = installed.run("./install.sh", "--no-profile")
    assert result.status == 0
    assert "the native client does not load (ImportError: unable to load taos client library" in result.error()


def profiles(checkout: Checkout) -> dict[str, str]:
    """The user's profiles."""
    home = Path(checkout.env["HOME"])
    return {path.name: path.read_text() for path in home.glob(".bash*")}


@pytest.fixture
def with_client(installed: Checkout) -> Checkout:
    """An installed checkout with a client, and a home of the user's own."""
    driver = installed.path / DRIVER
    driver.mkdir(parents=True)
    (driver / "libtaos.so").write_bytes(b"\x7fELF")
    (driver.parent / ".version").write_text(f"{VERSION}\n")
    home = installed.path.parent / "home"
    home.mkdir()
    installed.env["HOME"] = str(home)
    return installed


def test_a_home_without_a_profile_gets_a_bashrc_that_sets_the_path_to_the_driver(with_client: Checkout) -> None:
    result = with_client.run("./install.sh")
    assert (result.status, result.err) == (0, "")
    assert list(profiles(with_client)) == [".bashrc"]
    shell = '. "$HOME/.bashrc"; echo "$LD_LIBRARY_PATH"'
    driver = with_client.path / DRIVER
    assert with_client.run("bash", "-uc", shell).out == f"{driver}\n"
    assert with_client.run("bash", "-uc", shell, LD_LIBRARY_PATH="/mine").out == f"/mine:{driver}\n"


@pytest.mark.parametrize(
    ("there", "touched"),
    [([".bashrc"], ".bashrc"), ([".bash_profile"], ".bash_profile"), ([".bash_profile", ".bashrc"], ".bashrc")],
)
def test_the_profile_that_is_there_gets_the_block_once_and_keeps_what_it_has(
    with_client: Checkout, there: list[str], touched: str
) -> None:
    for name in there:
        path = Path(with_client.env["HOME"], name)
        path.write_text("alias ll='ls -l' # no newline at the end")
        path.chmod(0o600)
    assert with_client.run("./install.sh").status == 0
    once = profiles(with_client)
    assert with_client.run("./install.sh").status == 0
    assert profiles(with_client) == once
    assert once[touched].startswith(
        "alias ll='ls -l' # no newline at the end\n# >>> TDengine client (install.sh) >>>\n"
    )
    assert sum("TDengine" in text for text in once.values()) == 1
    assert Path(with_client.env["HOME"], touched).stat().st_mode & 0o777 == 0o600


def test_a_checkout_at_another_place_takes_the_block_over_and_keeps_what_is_around_it(with_client: Checkout) -> None:
    bashrc = Path(with_client.env["HOME"], ".bashrc")
    bashrc.write_text("before\n")
    with_client.run("./install.sh")
    bashrc.write_text(bashrc.read_text().replace("a\\ check\\ out", "old") + "after\n")
    with_client.run("./install.sh")
    text = bashrc.read_text()
    assert text.count("export LD_LIBRARY_PATH") == 1
    assert "a\\ check\\ out/tdengine-client/driver" in text
    assert text.startswith("before\n# >>>")
    assert text.endswith("<<<\nafter\n")


def test_a_profile_that_is_a_link_stays_one(with_client: Checkout) -> None:
    bashrc = Path(with_client.env["HOME"], ".bashrc")
    dotfiles = Path(with_client.env["HOME"], "dotfiles")
    dotfiles.touch()
    bashrc.symlink_to("dotfiles")
    assert with_client.run("./install.sh").status == 0
    assert bashrc.is_symlink()
    assert "LD_LIBRARY_PATH" in dotfiles.read_text()


def test_no_profile_touches_none(with_client: Checkout) -> None:
    assert with_client.run("./install.sh", "--no-profile").status == 0
    assert profiles(with_client) == {}


def test_a_profile_that_cannot_be_changed_is_one_line_with_the_line_to_add(with_client: Checkout) -> None:
    home = Path(with_client.env["HOME"])
    home.rmdir()
    result = with_client.run("./install.sh")
    assert result.status == 0
    assert "cannot change a profile" in result.error()
    assert result.err.rstrip().endswith("a\\ check\\ out/tdengine-client/driver")


def test_a_wrong_option_is_one_line_and_exit_2(checkout: Checkout) -> None:
    result = checkout.run("./install.sh", "--nonsense")
    assert result.status == 2
    assert "unknown option --nonsense" in result.error()


def test_help_goes_to_stdout_and_installs_nothing(checkout: Checkout) -> None:
    result = checkout.run("./install.sh", "--help")
    assert (result.status, result.err) == (0, "")
    assert result.out.startswith("Usage: ./install.sh")
    assert not (checkout.path / "venv").exists()
