"""README.md and docs/: what they quote is in the files, what they name exists, and commands do what is said of them."""

import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import Message
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from conftest import Start
from live.status import Status
from parts import free_port, get_json, sql
from waiting import eventually

ROOT = Path(__file__).parent.parent
PAGES = {
    str(path.relative_to(ROOT)): path.read_text()
    for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("docs/*.md")))
}
README = PAGES["README.md"]
EXPLANATION = PAGES["docs/explained.md"]
GROWING = PAGES["docs/growing.md"]
ALL = "\n".join(PAGES.values())
"""What is written for users, by file; the changelog is about what was, SECURITY.md about what is promised."""

EXPLAINED = "create_tdengine_connection create_database create_table gen_data insert_data".split()
EXPLAINED += "read_tdengine step perspective_thread make_app".split()


def section(title: str, page: str = README) -> str:
    """The text under a heading, down to the next one of its level or above."""
    (heading,) = re.findall(rf"(?m)^#+ {re.escape(title)}$", page)
    level = heading.index(" ")
    parts = re.split(r"(?ms)(^```.*?^```$)", page.split(f"{heading}\n", 1)[1])  # code has lines that begin with #, too
    text = ""
    for part in parts:
        before, *after = (part,) if part.startswith("```") else re.split(rf"(?m)^#{{1,{level}}} ", part, maxsplit=1)
        text += before
        if after:
            break
    return text


def blocks(text: str, language: str) -> list[str]:
    """The fenced blocks of a language."""
    return re.findall(rf"(?ms)^```{language}\n(.*?)^```$", text)


def prose(text: str = ALL) -> str:
    """The text without its fenced blocks."""
    return re.sub(r"(?ms)^```\w*\n.*?^```$", "", text)


@pytest.mark.parametrize("script", ["producer.py", "perspective_server.py"])
def test_the_code_that_is_explained_is_the_code_of_the_files(script: str) -> None:
    text = section(f"`{script}`", EXPLANATION)
    named = {script, *re.findall(r"`([\w/]+\.py)`", text)}
    sources = [(ROOT / name).read_text() for name in named]
    quoted = blocks(text, "python")
    assert quoted
    for code in quoted:
        # Code is quoted without its indentation, which may be any.
        found = [indent for indent in range(0, 20, 4) if any(textwrap.indent(code, " " * indent) in s for s in sources)]
        assert found, f"not in {named}:\n{code}"


def test_each_function_of_the_document_is_explained() -> None:
    assert [name for name in EXPLAINED if f"`{name}()`" not in EXPLANATION] == []


@pytest.mark.parametrize("page", [name for name, text in PAGES.items() if blocks(text, "python")])
def test_all_code_that_is_quoted_is_in_a_file_that_its_page_names(page: str) -> None:
    text = PAGES[page]
    named = {name for name in re.findall(r"`([\w/]+\.py)`", text) if (ROOT / name).exists()}
    sources = [textwrap.dedent((ROOT / name).read_text()) for name in named]
    lines = {line.strip() for source in sources for line in source.splitlines()}
    assert [line for code in blocks(text, "python") for line in code.splitlines() if line.strip() not in lines] == []


def test_a_newcomer_reads_no_more_than_this() -> None:
    assert len(README.splitlines()) <= 250
    assert README.index("examples/feed_your_own.py") < README.index("## ")


def test_the_readme_leads_to_every_page() -> None:
    assert {name for name in PAGES if f"]({name}" not in README} == {"README.md"}


def test_nothing_is_said_twice() -> None:
    said = [line for text in PAGES.values() for line in prose(text).splitlines() if len(line) > 60]
    assert [line for line in set(said) if said.count(line) > 1] == []


def test_every_link_and_picture_leads_somewhere() -> None:
    found = 0
    for page in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")):
        for link in re.findall(r"\]\(([^)]+)\)", prose(page.read_text())):
            found += 1
            if not link.startswith("https://"):
                file, _, anchor = link.partition("#")
                to = page.parent / file if file else page
                assert to.is_file(), link
                assert not anchor or anchor in anchors(to), link
    assert found > 30


def anchors(page: Path) -> set[str]:
    """What links may name of a page: its headings."""
    headings = re.findall(r"(?m)^#+ (.*)$", prose(page.read_text()))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


MADE_FOLDERS = {"venv/", "logs/", "logs/8080/", "tdengine-client/", "driver/"}
"""The folders that pages name and that scripts make, or an archive has."""


def test_every_file_that_it_names_exists_or_is_made() -> None:
    made = {"logs/install.log", "tdengine-client/examples"}
    named = set(re.findall(r"`((?:[\w-]+/)*[\w-]+\.(?:py|sh|html|js|log|svg|txt|lock|ipynb|json))`", prose()))
    assert {"producer.py", "index.html", "install.sh"} <= named
    for name in named - made:
        assert (ROOT / name).exists() or (ROOT / "page" / name).exists(), name
    folders = set(re.findall(r"`((?:[\w-]+/)+)`", prose()))
    assert len(folders) > 10
    assert [name for name in folders if not (ROOT / name).is_dir() and name not in MADE_FOLDERS] == []


@pytest.fixture(scope="module")
def helps() -> dict[str, str]:
    """What each script says to --help."""
    commands = {name: [f"./{name}"] for name in ("run.sh", "install.sh", "docker.sh", "test.sh")}
    for name in ("producer.py", "perspective_server.py", "imgs/make.py", "-m embedded", "-m examples.virtual_server"):
        commands[name] = [sys.executable, *name.split()]
    commands["benchmarks/run.sh"] = [sys.executable, "-m", "benchmarks"]
    running = {
        name: subprocess.Popen([*command, "--help"], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        for name, command in commands.items()
    }
    return {name: process.communicate(timeout=30)[0] for name, process in running.items()}


def options(text: str) -> set[str]:
    """The long options in a text."""
    return set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text))


def test_every_option_that_it_names_exists(helps: dict[str, str]) -> None:
    known = options(" ".join(helps.values())) | {"--volumes", "--install"}  # which are Docker Compose's and wsl's
    assert options(prose()) - known == set()


def test_every_command_takes_the_options_that_it_is_given(helps: dict[str, str]) -> None:
    inline = re.findall(r"`([^`\n]+)`", prose())
    seen = 0
    for line in [*"\n".join(blocks(ALL, "sh")).splitlines(), *inline]:
        for name, text in helps.items():
            before, found, after = line.partition(name)
            if found and (not before or before[-1] in "/ ") and not before.endswith("benchmarks/"):
                assert options(after) <= options(text), line
                seen += bool(options(after))
    assert seen >= 8


def test_every_variable_that_it_names_is_read_by_a_program(helps: dict[str, str]) -> None:
    sources = [path.read_text() for path in [*ROOT.glob("*.sh"), *ROOT.glob("*.py"), *ROOT.glob("[!v.]*/*.py")]]
    text = "\n".join([*sources, *helps.values()])
    named = set(re.findall(r"\b(?:TAOS|PSP)_[A-Z]+\b", ALL))
    assert {"TAOS_TABLE", "PSP_TOKEN"} <= named
    assert [name for name in named if name not in text] == []


def test_the_status_that_is_shown_has_the_fields_of_the_servers() -> None:
    (shown,) = blocks(PAGES["docs/settings.md"], "json")
    assert json.loads(shown).keys() == {*Status().as_dict(), "viewers", "now", "tables"}


def test_every_symptom_is_one_that_a_test_produces() -> None:
    tests = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py") if path != Path(__file__))
    symptoms = re.findall(r"(?m)^\| `([^`]+)`", PAGES["docs/troubleshooting.md"])
    assert len(symptoms) > 10
    assert [symptom for symptom in symptoms if symptom not in tests] == []


def test_the_architectures_drawing_names_files_that_are_there() -> None:
    drawing = (ROOT / "imgs/architecture.svg").read_text()
    assert (ROOT / "imgs/tdengine_prsp_architecture.jpg").read_bytes()[:2] == b"\xff\xd8"
    for name in re.findall(r"\b[\w/]+\.(?:py|sh|html)\b", drawing):
        assert (ROOT / name).exists(), name


class Newcomer:
    """A copy of the checkout as a newcomer has it once the packages and the client are there, and a shell in it.

    Its ports are free ones: those of the README are written over in each command.
    """

    def __init__(self, directory: Path, name: str = "a check out") -> None:
        self.path = directory / name
        shutil.copytree(ROOT, self.path, ignore=shutil.ignore_patterns("venv", ".*", "tests", "logs", "benchmarks"))
        home = directory / "home"
        home.mkdir()
        driver = self.path / "tdengine-client/driver"
        driver.mkdir(parents=True)
        version = re.findall(r"libtaos\.so\.([\d.]+\d)", README)[0]
        (driver / f"libtaos.so.{version}").touch()
        (driver / "libtaos.so").symlink_to(f"libtaos.so.{version}")
        (driver.parent / ".version").write_text(version + "\n")
        self.make_venv()
        self.taos_port, self.port, self.second_port = free_port(), free_port(), free_port()
        hidden = {"DISPLAY", "WAYLAND_DISPLAY", "VIRTUAL_ENV", "PYTHONPATH", "LD_LIBRARY_PATH"}
        self.env = {name: value for name, value in os.environ.items() if name not in hidden}
        self.env |= {"HOME": str(home), "TAOS_PORT": str(self.taos_port), "PYTHONUNBUFFERED": "1"}

    def make_venv(self) -> None:
        """A venv that has the packages of the one that runs the tests, with the stamp of install.sh."""
        venv = self.path / "venv"
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
        (packages,) = venv.glob("lib/python*/site-packages")
        real = [path for path in sys.path if path.endswith("site-packages")]
        (packages / "real.pth").write_text("\n".join(real) + "\n")
        (packages / "bare.pth").write_text("import bare\n")
        shutil.copy(ROOT / "requirements/bare.py", packages)
        digest = sha256((self.path / "requirements/demo.lock").read_bytes()).hexdigest()
        stamp = f"{digest} {sys.version_info[0]}.{sys.version_info[1]} {venv}\n"
        (venv / ".installed-demo.lock").write_text(stamp)

    def on_free_ports(self, command: str) -> str:
        """The command as it is written, but for its ports."""
        command = command.replace("localhost:6041", f"localhost:{self.taos_port}")
        command = command.replace("localhost:8080", f"localhost:{self.port}")
        command = command.replace("--port 8081", f"--port {self.second_port}")
        server = r"(?m)^(?!.*--port)(\./run\.sh.*|.*perspective_server\.py.*)$"
        command = re.sub(server, rf"\1 --port {self.port}", command)
        return re.sub(r"(?m)^(.*-m embedded)$", rf"\1 --port {self.taos_port}", command)

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        bash = ["bash", "-ec", self.on_free_ports(command)]
        return subprocess.run(
            bash, cwd=self.path, env=self.env, capture_output=True, text=True, timeout=60, check=False
        )

    @contextmanager
    def running(
        self, command: str, where: Path | None = None, number: signal.Signals = signal.SIGINT
    ) -> Iterator[subprocess.Popen[str]]:
        """Run a command that does not end by itself, in a terminal of its own, and end it as Ctrl-C does."""
        with subprocess.Popen(
            ["bash", "-ec", self.on_free_ports(command)],
            cwd=where or self.path,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        ) as process:
            try:
                yield process
                os.killpg(process.pid, number)
                output, _ = process.communicate(timeout=10)
                assert process.returncode in (0, -number, 128 + number), (command, process.returncode, output)
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)

    def status(self, second: bool = False) -> dict[str, Any]:
        """What the server, or the second one, says of itself; nothing where there is none."""
        return get_json(f"http://localhost:{self.second_port if second else self.port}/status")[1]


@pytest.fixture
def newcomer(tmp_path: Path) -> Newcomer:
    return Newcomer(tmp_path)


QUICK_START, OWN_DATA, OWN_TABLE = blocks(README, "sh")[:3]


POLLUTED = {
    **dict.fromkeys(("PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV", "CONDA_PREFIX", "PIP_TARGET"), "/no/such/place"),
    "PYTHONSAFEPATH": "1",
    "PYTHONWARNINGS": "error",
    "PIP_USER": "1",
    "TAOS_HOST": "",
    "TAOS_TABLE": "",
}


ELSEWHERE = ["bare", "polluted, through a link", """it's a "check out", in the background"""]


@pytest.mark.parametrize("where", ELSEWHERE)
def test_two_commands_lead_from_the_clone_to_the_live_page(tmp_path: Path, where: str) -> None:
    clone, run = QUICK_START.splitlines()
    assert clone == "git clone <this repository> && cd <its folder>"
    newcomer = Newcomer(tmp_path, where)
    folder, number = newcomer.path, signal.SIGINT
    if where == "bare":
        newcomer.env = {"PATH": "/usr/bin:/bin", "TAOS_PORT": str(newcomer.taos_port)}
    if "polluted" in where:
        newcomer.env |= POLLUTED
    if "link" in where:
        folder = tmp_path / "elsewhere"
        folder.mkdir()
        (folder / "run.sh").symlink_to(newcomer.path / "run.sh")
    if "background" in where:
        run, number = f"trap '' INT HUP\n{run}\n", signal.SIGTERM
    with newcomer.running(run, folder, number) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("Live at"):
                break
        assert line.startswith(f"Live at http://localhost:{newcomer.port}")
        with urllib.request.urlopen(f"http://localhost:{newcomer.port}") as page:
            assert b"<perspective-viewer" in page.read()
        assert newcomer.status()["rows"] > 0


def test_one_more_command_leads_to_a_table_of_ones_own(newcomer: Newcomer) -> None:
    with newcomer.running("venv/bin/python -m embedded"):
        eventually(lambda: listens(newcomer.taos_port), 20)
        sql(newcomer.taos_port, "CREATE DATABASE power")
        sql(newcomer.taos_port, "CREATE STABLE power.meters (ts TIMESTAMP, current FLOAT) TAGS (groupid INT)")
        sql(newcomer.taos_port, "INSERT INTO power.d0 USING power.meters TAGS (1) VALUES (NOW, 10.5)")
        with newcomer.running(OWN_TABLE.strip().replace("db.example", "localhost")):
            eventually(lambda: newcomer.status(second=True).get("rows") == 1, 20)
            assert newcomer.status(second=True)["table"] == "power.meters"


def test_two_more_commands_lead_to_data_of_this_machine(newcomer: Newcomer) -> None:
    feed, serve = OWN_DATA.splitlines()
    with newcomer.running(QUICK_START.splitlines()[1]):
        eventually(lambda: newcomer.status().get("rows"), 30)
        with newcomer.running(feed), newcomer.running(serve):
            eventually(lambda: newcomer.status(second=True).get("rows", 0) >= 3, 20)
            status = newcomer.status(second=True)
            assert (status["table"], status["tags"]) == ("machine.sensors", ["sensor", "unit"])
            assert newcomer.status()["state"] == "live"


def listens(port: int, address: str = "127.0.0.1") -> bool:
    """Whether something listens at a port of this machine."""
    with socket.socket() as client:
        return client.connect_ex((address, port)) == 0


def test_every_command_of_getting_started_does_what_it_says(newcomer: Newcomer) -> None:
    install, client, path, by_hand, docker, embedded, producer, server, ask = blocks(section("Getting started"), "sh")

    installed = newcomer.run(install)
    assert installed.returncode == 0
    assert "Works: taos-ws-py" in installed.stdout
    assert re.search(r"libtaos\.so -> libtaos\.so\.[\d.]+\n", newcomer.run(client).stdout)
    driver = f"{newcomer.path}/tdengine-client/driver"
    assert newcomer.run(f"source ~/.bashrc; {path}").stdout.strip().endswith(driver)
    Path(newcomer.env["HOME"], ".bashrc").unlink()
    shell = f"LD_LIBRARY_PATH=/mine\n{by_hand}source ~/.bashrc\n{path}"
    assert newcomer.run(shell).stdout == f"/mine:{driver}\n"

    newcomer.env["PATH"] = without_docker(newcomer.path.parent / "bin")
    assert "Docker is not installed" in newcomer.run(docker).stderr
    with newcomer.running(embedded):
        eventually(lambda: listens(newcomer.taos_port), 20)
        with newcomer.running(producer), newcomer.running(server):
            eventually(lambda: newcomer.status().get("rows") == 1000, 30)
            count, status = newcomer.run(ask).stdout.replace("}{", "}\n{").splitlines()
            assert re.search(r'"code": ?0\b.*"data": ?\[\[\d{3,}\]\]', count)
            assert '"state": "live"' in status


def without_docker(directory: Path) -> str:
    """A PATH on which all is that there is on this one, but docker."""
    directory.mkdir()
    for place in os.environ["PATH"].split(":"):
        for found in Path(place).glob("*") if Path(place).is_dir() else ():
            link = directory / found.name
            if found.name != "docker" and not link.is_symlink():
                link.symlink_to(found)
    return str(directory)


def test_the_sql_for_more_than_one_machine_makes_a_table_that_can_be_shown(newcomer: Newcomer) -> None:
    (statements,) = blocks(GROWING, "sql")
    (show,) = blocks(GROWING, "sh")
    with newcomer.running("venv/bin/python -m embedded"):
        eventually(lambda: listens(newcomer.taos_port), 20)
        for statement in statements.strip().split(";\n"):
            sql(newcomer.taos_port, statement.rstrip(";"))
        with newcomer.running(f"PATH=venv/bin:$PATH\n{show}"):
            eventually(lambda: newcomer.status().get("rows") == 1, 20)


@pytest.mark.skipif(sys.platform != "linux", reason="needs a second address of loopback")
def test_a_viewer_that_one_of_several_servers_has_let_in_is_let_in_by_the_others(start: Start) -> None:
    port, token, host = str(free_port()), "a token of sixteen", "demo.example"
    options = ("--port", port, "--allow-origin", f"https://{host}", "--taos-port", str(free_port()))
    addresses = [f"127.0.0.{number}" for number in (1, 2)]
    for address in addresses:
        start("perspective_server.py", "--address", address, *options, env={"PSP_TOKEN": token})
    eventually(lambda: all(listens(int(port), address) for address in addresses), 20)

    def page(address: str, query: str = "", cookie: str = "") -> Message:
        url = f"http://{address}:{port}/{query}"
        request = urllib.request.Request(url, headers={"Host": host, "Cookie": cookie})
        with urllib.request.urlopen(request) as answer:
            assert b"<perspective-viewer" in answer.read()
            headers: Message = answer.headers
            return headers

    cookie = page(addresses[0], f"?token={quote(token)}")["Set-Cookie"].split(";")[0]
    page(addresses[1], cookie=cookie)


TRIED = {
    "docs/settings.md": "test_scripts_run.py",  # two copies side by side
    "docs/sharing.md": "test_access.py",
    "docs/history.md": "test_embedded_fill.py",  # a day of trades
    "docs/starting.md": "test_containers.py",
    "docs/examples.md": "test_examples.py",
    "docs/virtual_server.md": "test_examples.py",
}
"""The pages whose commands are tried elsewhere, and where."""


def test_no_command_is_left_untried_but_those_for_other_machines() -> None:
    started = blocks(section("Getting started"), "sh")
    tried = {QUICK_START, OWN_DATA, OWN_TABLE, *started, *blocks(GROWING, "sh"), "./test.sh\n", "benchmarks/run.sh\n"}
    rest = {(page, block) for page, text in PAGES.items() for block in blocks(text, "sh") if block not in tried}
    assert {page for page, _ in rest} == TRIED.keys()
    assert all(list((ROOT / "tests").rglob(name)) for name in TRIED.values())
    assert all(shlex.split(block) for _, block in rest)
