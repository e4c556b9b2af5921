"""run.sh, with stub parts: what it starts, what it says, and that nothing is left behind."""

import fcntl
import os
import pty
import re
import signal
import subprocess
import sys
import termios
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from parts import ROOT, free_port
from script_helpers import Checkout, is_alive, make_checkout, use_python, wait_until

# What a stub part does first: note its processes (itself and perhaps a child), then misbehave as the environment says.
# (They import little, as interpreters that start are what these tests wait for.)
PART = """
import os, signal, sys, time

NAP = [sys.executable, "-c", "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"]

def told(what, name):
    return name in os.environ.get(what, "").split()

def begin(name):
    signal.signal(signal.SIGTERM, signal.SIG_IGN if told("IGNORES_TERM", name) else lambda *_: sys.exit(0))
    child = os.spawnv(os.P_NOWAIT, NAP[0], NAP) if told("HAS_A_STUBBORN_CHILD", name) else ""
    with open(os.environ["PIDS"], "a") as file:
        print(name, os.getpid(), child, file=file)
    if told("DIES", name):
        for number in range(1, 31):
            print("line", number)
        sys.exit(3)

def serve(answer):
    import socket
    with socket.create_server(("127.0.0.1", int(sys.argv[sys.argv.index("--port") + 1]))) as listener:
        while True:
            with listener.accept()[0] as client:
                asked = client.recv(10_000).decode()
                token = os.environ.get("PSP_TOKEN", "")
                told = answer() if token in asked or "rest" in asked else "no token"
                client.sendall(b"HTTP/1.0 200 OK\\r\\n\\r\\n" + told.encode())
"""

EMBEDDED = """
from stub_part import begin, serve
begin("embedded")
serve(lambda: '{"code": 0}')
"""

PRODUCER = """
import os, time
from stub_part import begin
print("producer at", os.environ["TAOS_HOST"], os.environ["TAOS_PORT"])
begin("producer")
time.sleep(60)
"""

SERVER = """
import os
from stub_part import begin, serve
begin("perspective_server")

def status():
    with open(os.environ["PIDS"]) as file:
        rows = 1000 * ("producer" in file.read())
    return '{"state": "live", "error": null, "rows": %d}' % rows

serve(status)
"""

Kill = Callable[[int, int], None]
PARTS = {"embedded", "producer", "perspective_server"}


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    checkout = make_checkout(tmp_path, "run.sh")
    use_python(checkout)
    venv = checkout.path / "venv/bin"
    venv.mkdir(parents=True)
    (checkout.stubs / "python3").rename(venv / "python")
    (checkout.path / "embedded").mkdir()
    for name, code in {
        "stub_part.py": PART,
        "embedded/__init__.py": "",
        "embedded/__main__.py": EMBEDDED,
        "producer.py": PRODUCER,
        "perspective_server.py": SERVER,
    }.items():
        (checkout.path / name).write_text(code)
    for script in ("install.sh", "docker.sh"):
        checkout.stub(script)
        (checkout.stubs / script).rename(checkout.path / script)
    checkout.env |= {"PIDS": str(tmp_path / "pids"), "TAOS_PORT": str(free_port())}
    return checkout


@pytest.fixture
def port() -> int:
    return free_port()


def processes(checkout: Checkout) -> dict[str, list[int]]:
    """The processes that the parts noted, by part."""
    file = Path(checkout.env["PIDS"])
    lines = file.read_text().splitlines() if file.exists() else []
    return {name: [int(pid) for pid in pids] for name, *pids in map(str.split, lines)}


def assert_nothing_is_left(checkout: Checkout) -> None:
    left = {name: [pid for pid in pids if is_alive(pid)] for name, pids in processes(checkout).items()}
    assert not any(left.values()), f"left behind: {left}"


@contextmanager
def running(checkout: Checkout, port: int, *options: str, **env: str) -> Iterator[subprocess.Popen[str]]:
    """run.sh once it has said that the page is live."""
    with checkout.started("./run.sh", "--no-browser", "--port", str(port), *options, **env) as process:
        assert process.stdout is not None
        lines: list[str] = []
        while not lines or not lines[-1].startswith("Live at"):
            lines.append(process.stdout.readline())
            assert lines[-1], f"ended: {lines} {process.stderr.read() if process.stderr else ''}"
        assert lines[-1].startswith(f"Live at http://localhost:{port} ")
        yield process


def test_a_token_of_ones_own_is_shown_to_the_server_and_to_nobody_else(checkout: Checkout, port: int) -> None:
    with checkout.started("./run.sh", "--no-browser", "--port", str(port), PSP_TOKEN="secret-secret-secret") as process:
        assert process.stdout is not None
        said = ""
        while "Live at" not in said:
            line = process.stdout.readline()
            assert line, f"ended: {said}"
            said += line
        assert f"Live at http://localhost:{port}/?token=$PSP_TOKEN (" in said
        assert "secret-secret" not in said
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)


def test_it_installs_and_starts_the_three_parts_each_with_a_log(checkout: Checkout, port: int) -> None:
    with running(checkout, port) as process:
        assert set(processes(checkout)) == PARTS
        assert checkout.calls() == ["install.sh --no-client --no-profile"]
        logs = checkout.path / "logs" / str(port)
        assert {log.stem for log in logs.glob("*.log")} == PARTS
        assert f"producer at localhost {checkout.env['TAOS_PORT']}" in (logs / "producer.log").read_text()
        os.killpg(process.pid, signal.SIGINT)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("kill", [os.kill, os.killpg])
def test_a_signal_stops_everything_and_the_exit_status_is_0(
    checkout: Checkout, port: int, number: signal.Signals, kill: Kill
) -> None:
    with running(checkout, port) as process:
        kill(process.pid, number)
        out, err = process.communicate(timeout=10)
        assert (process.returncode, out) == (0, "run.sh: stopped\n")
        assert err in ("", "Hangup\n", "Terminated\n")  # bash may name what ended its sleep
        assert_nothing_is_left(checkout)


def test_ctrl_c_before_the_first_rows_stops_everything_without_a_traceback(checkout: Checkout, port: int) -> None:
    (checkout.path / "perspective_server.py").write_text(SERVER.replace('"live"', '"waiting"'))
    with checkout.started("./run.sh", "--no-browser", "--port", str(port)) as process:
        wait_until(lambda: set(processes(checkout)) == PARTS, "all parts")
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=10)
        assert (process.returncode, out.splitlines()[-1], err) == (130, "run.sh: stopped", "")
        assert_nothing_is_left(checkout)


def test_ctrl_c_on_a_terminal_stops_everything(checkout: Checkout, port: int) -> None:
    master, slave = pty.openpty()
    with subprocess.Popen(
        ["./run.sh", "--no-browser", "--port", str(port)],
        cwd=checkout.path,
        env=checkout.env,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    ) as process:
        os.close(slave)
        try:
            said = b""
            while b"Live at" not in said:
                said += os.read(master, 1000)
            os.write(master, b"\x03")
            assert process.wait(10) == 0
        finally:
            process.kill()
            os.close(master)
    assert_nothing_is_left(checkout)


def test_in_the_background_of_a_script_or_under_nohup_sigterm_stops_everything(checkout: Checkout, port: int) -> None:
    """SIGINT is ignored there, under nohup SIGHUP too, and no trap can bring it back."""
    said = checkout.path / "said"
    said.touch()
    script = f"trap '' INT HUP; ./run.sh --port {port} >said 2>&1 & echo $!; wait"
    with checkout.started("bash", "-c", script) as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        wait_until(lambda: "Live at" in said.read_text(), "the page")
        os.killpg(process.pid, signal.SIGINT)
        os.kill(pid, signal.SIGHUP)
        os.kill(pid, signal.SIGTERM)
        assert process.wait(10) == 0
    assert said.read_text().splitlines()[-1] == "run.sh: stopped"
    assert_nothing_is_left(checkout)


@pytest.mark.parametrize("kill", [os.kill, os.killpg])
def test_even_killed_outright_it_leaves_nothing(checkout: Checkout, port: int, kill: Kill) -> None:
    with running(checkout, port, HAS_A_STUBBORN_CHILD="perspective_server") as process:
        kill(process.pid, signal.SIGKILL)
        pids = [pid for pids in processes(checkout).values() for pid in pids]
        wait_until(lambda: not any(map(is_alive, pids)), "all parts gone", 5)


def test_where_nobody_reads_its_output_any_more_it_leaves_nothing(checkout: Checkout, port: int) -> None:
    with checkout.started("./run.sh", "--no-browser", "--port", str(port)) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(10) != 0
        assert set(processes(checkout)) == PARTS
        assert_nothing_is_left(checkout)


def test_a_part_that_ignores_sigterm_is_killed_after_two_seconds(checkout: Checkout, port: int) -> None:
    with running(checkout, port, IGNORES_TERM="producer", HAS_A_STUBBORN_CHILD="perspective_server") as process:
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(5) == 0
        assert_nothing_is_left(checkout)


@pytest.mark.parametrize("part", sorted(PARTS))
def test_where_a_part_dies_it_is_named_its_log_is_shown_and_the_rest_is_stopped(
    checkout: Checkout, port: int, part: str
) -> None:
    with running(checkout, port) as process:
        log = checkout.path / f"logs/{port}/{part}.log"
        log.write_text("".join(f"line {number}\n" for number in range(1, 31)))
        os.kill(processes(checkout)[part][0], signal.SIGKILL)
        out, err = process.communicate(timeout=10)
        assert process.returncode == 1
        first, *shown = err.splitlines()
        assert first == f"run.sh: {part} ended, so the rest is stopped. The end of logs/{port}/{part}.log:"
        assert shown == [f"line {number}" for number in range(11, 31)]
        assert "stopped" not in out
        assert_nothing_is_left(checkout)


@pytest.mark.parametrize("part", sorted(PARTS))
def test_a_part_that_dies_at_once_is_no_different(checkout: Checkout, port: int, part: str) -> None:
    result = checkout.run("./run.sh", "--no-browser", "--port", str(port), DIES=part)
    assert result.status == 1
    assert f"run.sh: {part} ended" in result.err
    assert result.err.endswith("line 29\nline 30\n")
    assert_nothing_is_left(checkout)


class Answers(BaseHTTPRequestHandler):
    body = b""
    status = 200

    def do_GET(self) -> None:
        self.send_response(self.status)
        self.end_headers()
        self.wfile.write(self.body)

    do_POST = do_GET

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def listener(body: bytes, status: int) -> Iterator[int]:
    """An HTTP server that is already there; its port."""
    handler = type("Handler", (Answers,), {"body": body, "status": status})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("body", "status"), [(b'{"code": 0}', 200), (b'{"code": 855, "desc": "Authentication failure"}', 401)]
)
def test_a_tdengine_that_answers_is_used_and_nothing_is_started_for_it(
    checkout: Checkout, port: int, body: bytes, status: int
) -> None:
    with listener(body, status) as taos_port:
        with running(checkout, port, "--docker", TAOS_PORT=str(taos_port)) as process:
            assert set(processes(checkout)) == PARTS - {"embedded"}
            os.killpg(process.pid, signal.SIGINT)
            assert process.wait(5) == 0
        assert not checkout.calls("docker.sh")


def test_the_embedded_server_of_another_copy_is_used_and_left_running(checkout: Checkout, port: int) -> None:
    with running(checkout, port) as first:
        embedded = processes(checkout)["embedded"][0]
        with running(checkout, free_port()) as second:
            os.killpg(second.pid, signal.SIGINT)
            assert second.wait(5) == 0
        assert is_alive(embedded)
        os.killpg(first.pid, signal.SIGINT)
        assert first.wait(5) == 0
    assert_nothing_is_left(checkout)


def test_two_copies_with_ports_of_their_own_run_side_by_side(checkout: Checkout, port: int) -> None:
    other = free_port()
    env = {"TAOS_PORT": str(free_port()), "PIDS": f"{checkout.env['PIDS']} of the other"}
    with running(checkout, port) as first, running(checkout, other, **env) as second:
        others = processes(replace(checkout, env=env))
        os.killpg(first.pid, signal.SIGINT)
        assert first.wait(5) == 0
        assert_nothing_is_left(checkout)
        assert set(others) == PARTS
        assert all(is_alive(pid) for pids in others.values() for pid in pids)
        os.killpg(second.pid, signal.SIGINT)
        assert second.wait(5) == 0
    assert (checkout.path / f"logs/{port}/producer.log").exists()
    assert (checkout.path / f"logs/{other}/producer.log").exists()


def test_a_port_that_is_taken_is_one_line_before_anything_is_started(checkout: Checkout) -> None:
    with listener(b"", 200) as port:
        result = checkout.run("./run.sh", "--port", str(port))
    assert result.status == 1
    assert f"port {port} is taken" in result.error()
    assert processes(checkout) == {}


def test_something_else_at_tdengines_port_is_one_line(checkout: Checkout, port: int) -> None:
    with listener(b"<html>", 404) as taos_port:
        result = checkout.run("./run.sh", "--port", str(port), TAOS_PORT=str(taos_port))
    assert result.status == 1
    assert f"what listens at localhost:{taos_port} is not TDengine" in result.error()
    assert processes(checkout) == {}


@pytest.mark.parametrize("host", ["LOCALHOST", "::1", "[::1]"])
def test_where_the_host_is_this_machine_the_embedded_server_is_started_there(
    checkout: Checkout, port: int, host: str
) -> None:
    address = "127.0.0.1" if host == "LOCALHOST" else "::1"
    embedded = checkout.path / "embedded/__main__.py"
    embedded.write_text("import sys\nprint(*sys.argv[1:])\nsys.exit(1)\n")
    result = checkout.run("./run.sh", "--port", str(port), TAOS_HOST=host)
    assert f"--address {address} --port {checkout.env['TAOS_PORT']}" in result.err


def test_of_several_hosts_one_that_answers_is_enough(checkout: Checkout, port: int) -> None:
    with listener(b'{"code": 0}', 200) as taos_port:
        env = {"TAOS_HOST": "127.0.0.7, 127.0.0.1", "TAOS_PORT": str(taos_port)}
        with running(checkout, port, **env) as process:
            assert set(processes(checkout)) == PARTS - {"embedded"}
            os.killpg(process.pid, signal.SIGINT)
            assert process.wait(5) == 0


@pytest.mark.parametrize("option", [(), ("--docker",)])
def test_another_host_that_does_not_answer_is_one_line(checkout: Checkout, port: int, option: tuple[str, ...]) -> None:
    result = checkout.run("./run.sh", "--port", str(port), *option, TAOS_HOST="no-such-host.invalid")
    assert result.status == 1
    assert f"no TDengine at no-such-host.invalid:{checkout.env['TAOS_PORT']}" in result.error()
    assert processes(checkout) == {}


def test_docker_starts_tdengine_in_docker_and_stops_it_at_the_end(checkout: Checkout, port: int) -> None:
    with running(checkout, port, "--docker") as process:
        assert set(processes(checkout)) == PARTS - {"embedded"}
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(5) == 0
    assert checkout.calls("docker.sh") == ["docker.sh", "docker.sh --stop"]


@pytest.mark.parametrize("script", ["install.sh", "docker.sh"])
def test_where_a_script_that_it_needs_fails_it_ends_with_that_scripts_message(
    checkout: Checkout, port: int, script: str
) -> None:
    (checkout.path / script).write_text(f"#!/usr/bin/env bash\necho {script}: sorry >&2\nexit 1\n")
    result = checkout.run("./run.sh", "--docker", "--port", str(port))
    assert result.status == 1
    assert result.error() == f"{script}: sorry"
    assert processes(checkout) == {}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_during_the_installation_ends_the_installation(
    checkout: Checkout, port: int, number: signal.Signals
) -> None:
    install = f"{sys.executable} -c 'import os; print(os.getppid(), flush=True)'; trap 'exit 1' TERM; sleep 60 & wait"
    (checkout.path / "install.sh").write_text(f"#!/usr/bin/env bash\n{install}\n")
    with checkout.started("./run.sh", "--port", str(port)) as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        process.send_signal(number)
        assert process.wait(5) == 128 + number
        assert not is_alive(pid)


def test_once_live_nothing_is_begun_or_waited_for_that_may_lose_a_ctrl_c() -> None:
    """bash 5.2 forgets a SIGINT that comes while it waits for a command that ends by itself: of a $(command) 15 of 300,
    of a plain one 3 of 12,600; of a read, none."""
    live = (ROOT / "run.sh").read_text().split("\nlive=yes\n")[1]
    assert "  nap\n" in live
    assert not re.findall(r"(?m)^[^#\n]*(?:\$\((?!\()|`|[<>]\(|\bsleep\b|\bwait\b)", live)


def opened(checkout: Checkout, port: int, **env: str) -> list[str]:
    """The browsers that run.sh opens by the time that it is live."""
    with checkout.started("./run.sh", "--port", str(port), **env) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("Live"):
                break
        if env:
            wait_until(lambda: checkout.calls("xdg-open") + checkout.calls("open"), "a browser")
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(5) == 0
    return checkout.calls("xdg-open") + checkout.calls("open")


def test_the_browser_opens_where_there_is_a_display(checkout: Checkout, port: int) -> None:
    checkout.stub("xdg-open")
    assert opened(checkout, port, DISPLAY=":0") == [f"xdg-open http://localhost:{port}"]


def test_no_browser_opens_without_a_display(checkout: Checkout, port: int) -> None:
    checkout.stub("xdg-open")
    assert opened(checkout, port) == []


def test_on_a_mac_open_opens_the_browser(checkout: Checkout, port: int) -> None:
    checkout.stub("open")
    assert opened(checkout, port, OSTYPE="darwin23") == [f"open http://localhost:{port}"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--nonsense"], "unknown option --nonsense"),
        (["--port"], "--port needs a number"),
        (["--port", "many"], "--port takes a number from 1 to 65535, not 'many'"),
        (["--port=0"], "--port takes a number"),
        (["--port", "65536"], "--port takes a number"),
        (["--port", "6041"], "port 6041 is TDengine's"),
    ],
)
def test_a_wrong_option_is_one_line_and_exit_2(checkout: Checkout, options: list[str], words: str) -> None:
    result = checkout.run("./run.sh", *options, TAOS_PORT="6041")
    assert result.status == 2
    assert words in result.error()
    assert checkout.calls() == []


def test_a_wrong_taos_port_is_one_line(checkout: Checkout) -> None:
    result = checkout.run("./run.sh", TAOS_PORT="x")
    assert result.status == 1
    assert "TAOS_PORT" in result.error()


def test_help_goes_to_stdout_and_starts_nothing(checkout: Checkout) -> None:
    result = checkout.run("./run.sh", "--help")
    assert (result.status, result.err) == (0, "")
    assert result.out.startswith("Usage: ./run.sh")
    assert checkout.calls() == []
