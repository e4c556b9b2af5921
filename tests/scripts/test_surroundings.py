"""Where the scripts run: through a link, with streams that are closed or not read, without Ctrl-C, as PID 1."""

import os
import pty
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from parts import ROOT, free_port, get_json, kill_session, sql
from script_helpers import Checkout, make_checkout, use_python
from waiting import eventually

NOBODY = 65534

SCRIPTS = ["run.sh", "install.sh", "docker.sh", "test.sh"]


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """All shell scripts."""
    checkout = make_checkout(tmp_path, *SCRIPTS)
    use_python(checkout)
    return checkout


@contextmanager
def started(*command: str, **options: object) -> Iterator["subprocess.Popen[bytes]"]:
    """A script of the demo's, in a session of its own, which is ended with all that it has started."""
    environment = {**os.environ, "TAOS_HOST": "127.0.0.1"}
    process = subprocess.Popen(command, cwd=ROOT, env=environment, start_new_session=True, **options)  # type: ignore[call-overload]
    try:
        yield process
    finally:
        kill_session(process)


def listens(port: int) -> bool:
    """Whether something listens at a port of loopback."""
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def closing(*descriptors: int) -> Callable[[], None]:
    """What closes these in a process that begins."""

    def close() -> None:
        for each in descriptors:
            os.close(each)

    return close


def both(taos_port: int, port: int) -> list[Sequence[str]]:
    """The command lines of both Python scripts."""
    producer = (sys.executable, "producer.py", "--taos-port", str(taos_port))
    return [
        producer,
        (sys.executable, "perspective_server.py", "--taos-port", str(taos_port), "--port", str(port)),
    ]


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_is_called_through_links_from_anywhere(checkout: Checkout, tmp_path: Path, script: str) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/first").symlink_to(checkout.path / script)
    (tmp_path / "second").symlink_to("bin/first")
    result = checkout.run("bash", "-c", 'cd / && "$0" --help', str(tmp_path / "second"))
    assert (result.status, result.err) == (0, "")
    assert result.out.startswith(f"Usage: ./{script}")


@pytest.mark.parametrize("script", ["producer.py", "perspective_server.py"])
def test_so_is_a_script_of_pythons(tmp_path: Path, script: str) -> None:
    (tmp_path / "link").symlink_to(ROOT / script)
    done = subprocess.run([sys.executable, tmp_path / "link", "--help"], cwd="/", capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("script", SCRIPTS)
def test_in_git_bash_one_line_says_what_works_on_windows(checkout: Checkout, script: str) -> None:
    result = checkout.run(f"./{script}", OSTYPE="msys")
    assert result.status == 1
    assert "use WSL" in result.error()


@pytest.mark.parametrize("streams", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_shell_script_does_not_mind_closed_streams(checkout: Checkout, streams: str) -> None:
    result = checkout.run("bash", "-c", f"./docker.sh --help {streams}")
    assert (result.status, result.err) == (0, "")
    assert checkout.run("bash", "-c", f"./docker.sh --nonsense {streams}").status == 2


@pytest.mark.skipif(os.getuid() != 0, reason="needs root, to be another user")
@pytest.mark.parametrize("script", ["run.sh", "install.sh", "test.sh"])
def test_a_checkout_that_cannot_be_written_to_is_one_line_that_says_so(script: str) -> None:
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        for name in (*SCRIPTS, "scripts/begin.sh"):
            Path(directory, name).parent.mkdir(exist_ok=True)
            shutil.copy(ROOT / name, Path(directory, name))
        done = subprocess.run(
            [f"./{script}"], cwd=directory, env={"PATH": "/usr/bin:/bin"}, user=NOBODY, capture_output=True, check=False
        )
    assert done.returncode == 1
    assert done.stderr.count(b"\n") == 1
    assert b"cannot be written to" in done.stderr


def test_on_a_terminal_pips_work_is_shown_while_it_lasts(tmp_path: Path) -> None:
    """What install.sh shows of a command that takes its time."""
    text = (ROOT / "install.sh").read_text()
    shown = text[text.index("# Runs a command in a process group") : text.index("# Two first starts at once")]
    (tmp_path / "log").write_text("Collecting tornado==6.6.1\n")
    script = f"child='' log='{tmp_path}/log'\n{shown}\nexec 8>>\"$log\"\nrun 8 sleep 0.5"
    master, slave = pty.openpty()
    with subprocess.Popen(["bash", "-euc", script], stdout=slave, stderr=slave, stdin=slave) as process:
        os.close(slave)
        said = b""
        while b"Collecting tornado" not in said:
            said += os.read(master, 1000)
        assert process.wait(10) == 0
    os.close(master)
    assert re.match(rb"\r  \d s  ", said)


def test_closed_streams_change_nothing(taos_port: int) -> None:
    port = free_port()
    producer, server = both(taos_port, port)
    with started(*producer, "--batches", "2", preexec_fn=closing(2)) as process:
        assert process.wait(20) == 0
    assert sql(taos_port, "SELECT COUNT(*) FROM stocks.stocks_values") == [[500]]
    with started(*server, preexec_fn=closing(0, 1, 2)) as process:
        eventually(lambda: get_json(f"http://127.0.0.1:{port}/status")[1].get("rows") == 500)
        process.terminate()
        assert process.wait(5) == 0


@contextmanager
def full_pipe() -> Iterator[int]:
    """A pipe that is full, and that nobody reads."""
    unread, pipe = os.pipe()
    os.set_blocking(pipe, False)
    with suppress(BlockingIOError):
        while True:
            os.write(pipe, b"?" * 2**16)
    os.set_blocking(pipe, True)
    yield pipe
    os.close(unread)
    os.close(pipe)


def test_a_stderr_that_nobody_reads_stops_nothing(taos_port: int) -> None:
    port = free_port()
    producer, server = both(taos_port, port)
    with full_pipe() as pipe, started(*producer, stderr=pipe) as first, started(*server, stderr=pipe) as second:
        eventually(lambda: get_json(f"http://127.0.0.1:{port}/status")[1].get("rows") == 1000)
        for process in (first, second):
            process.terminate()
            assert process.wait(5) == 0


def test_nor_does_one_whose_reader_has_gone(taos_port: int) -> None:
    unread, pipe = os.pipe()
    os.close(unread)
    producer, _ = both(taos_port, 0)
    with started(*producer, "--batches", "2", stderr=pipe) as process:
        os.close(pipe)
        assert process.wait(20) == 0


def test_an_error_ends_the_script_though_nobody_reads_it(taos_port: int) -> None:
    producer, _ = both(taos_port, 0)
    sql(taos_port, "CREATE DATABASE stocks PRECISION 'us'")
    with full_pipe() as pipe, started(*producer, "--precision", "ms", stderr=pipe) as process:
        assert process.wait(10) == 1


def can_be_pid_1() -> bool:
    """Whether processes may have a namespace of their own here."""
    if not shutil.which("unshare"):
        return False
    return subprocess.run(["unshare", "--pid", "--fork", "true"], capture_output=True, check=False).returncode == 0


def test_sigterm_ends_both_scripts_where_ctrl_c_is_ignored_and_as_the_first_process_of_a_container(
    taos_port: int,
) -> None:
    port = free_port()
    first, second = both(taos_port, port)
    unshare = ("unshare", "--pid", "--fork", "--kill-child") if can_be_pid_1() else ("env",)
    ignoring = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_IGN)}
    with started(*unshare, *first, **ignoring) as producer, started(*unshare, *second, **ignoring) as server:
        eventually(lambda: get_json(f"http://127.0.0.1:{port}/status")[1].get("rows"))
        for process in (producer, server):
            script = process.pid
            if unshare[0] == "unshare":
                script = int(Path(f"/proc/{script}/task/{script}/children").read_text().split()[0])
            began = time.monotonic()
            os.kill(script, signal.SIGTERM)
            assert process.wait(5) == 0
            assert time.monotonic() - began < 2


def test_the_embedded_server_does_not_mind_that_nobody_reads_where_it_listens() -> None:
    unread, pipe = os.pipe()
    os.close(unread)
    port = free_port()
    with started(sys.executable, "-m", "embedded", "--port", str(port), stdout=pipe) as process:
        os.close(pipe)
        eventually(lambda: sql(port, "SHOW DATABASES") if listens(port) else None)
        process.terminate()
        assert process.wait(5) == 0
