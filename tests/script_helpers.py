"""What the tests of the shell scripts share: a copy of the scripts in a directory of their own, run with stub commands.

The PATH of such a run holds the stubs and a few plain tools, and nothing else of this machine: no docker, no browser,
no curl.
"""

import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parent.parent
TOOLS = "bash cat chmod cp date dirname env grep gzip head id ln ls mkdir mkfifo mv readlink rm".split()
TOOLS += "sleep sort tail tar uname wc".split()


@dataclass
class Result:
    status: int
    out: str
    err: str

    def error(self) -> str:
        """The one line on stderr; more or less than one is a failure."""
        assert self.err.count("\n") == 1, f"not one line: {self.err!r}"
        return self.err.strip()


@dataclass
class Checkout:
    """A directory with copies of scripts, and the stubs that they meet instead of the real commands."""

    path: Path
    stubs: Path
    calls_file: Path
    env: dict[str, str] = field(default_factory=dict)

    def stub(self, command: str, body: str = "") -> None:
        """Puts a shell script first on the PATH that records its arguments, then does what the body says."""
        script = self.stubs / command
        record = (
            f'{{ printf "%s" {command}; [ $# = 0 ] || printf " %q" "$@"; echo; }} >>{shlex.quote(str(self.calls_file))}'
        )
        script.write_text(f"#!{shutil.which('bash')}\n{record}\n{body}\n")
        script.chmod(0o755)

    def calls(self, command: str = "") -> list[str]:
        """The recorded command lines, oldest first."""
        lines = self.calls_file.read_text().splitlines() if self.calls_file.exists() else []
        return [line for line in lines if line.startswith(command)]

    def run(self, *command: str, input: str = "", **env: str) -> Result:
        done = subprocess.run(
            command,
            cwd=self.path,
            env=self.env | env,
            input=input,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return Result(done.returncode, done.stdout, done.stderr)

    @contextmanager
    def started(self, *command: str, **env: str) -> Iterator[subprocess.Popen[str]]:
        """The command as a shell would start it: at the head of a process group of its own."""
        with (
            subprocess.Popen(
                command,
                cwd=self.path,
                env=self.env | env,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,
            ) as process,
        ):
            try:
                yield process
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)


def make_checkout(directory: Path, *files: str) -> Checkout:
    path, stubs, tools = directory / "a check out", directory / "stubs", directory / "tools"
    for each in (path, stubs, tools):
        each.mkdir(parents=True)
    for tool in TOOLS:
        found = shutil.which(tool)
        assert found, f"these tests need {tool}"
        (tools / tool).symlink_to(found)
    for name in ("scripts/begin.sh", *files):
        (path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, path / name)
    env = {"PATH": f"{stubs}:{tools}", "HOME": str(directory), "LC_ALL": "C"}
    return Checkout(path, stubs, directory / "calls", env)


def use_python(checkout: Checkout, exec_: str = "exec") -> None:
    """Puts the Python that runs the tests on the PATH as python3; with exec_="" like a shim that stays in between."""
    script = checkout.stubs / "python3"
    script.write_text(f'#!{shutil.which("bash")}\n{exec_} {shlex.quote(sys.executable)} "$@"\nexit $?\n')
    script.chmod(0o755)


def wait_until(condition: Callable[[], object], what: str, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    try:
        return stat.read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return not Path("/proc").exists()
