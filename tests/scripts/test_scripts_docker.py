"""docker.sh against a stub engine: the docker command lines of every path."""

import base64
import os
import shlex
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from script_helpers import Checkout, make_checkout, use_python, wait_until

IMAGE = "tdengine/tsdb:3.4.2.8"
RUN = (
    "docker run --detach --name prsp-tdengine --publish 127.0.0.1:6041:6041 --publish 127.0.0.1:6030:6030"
    f" --volume prsp-tdengine-data:/var/lib/taos {IMAGE}"
)
FILL = "docker exec prsp-tdengine taosBenchmark -y -t {} -n {} -S 1000 -s {}"

# docker's first word is looked up in the environment: DOCKER_pull="exit 1" makes `docker pull` fail. STATE is the
# container's state until something changes it.
DOCKER = """
does=DOCKER_$1
eval "${!does:-}"
state=$0.state
case "$1 $2" in
  "container inspect")
    [ ! -e "$state" ] || read -r STATE <"$state"
    [ -n "${STATE:-}" ] && echo "$STATE" || exit 1 ;;
  "port prsp-tdengine") echo "${PUBLISHED:-127.0.0.1:6041}" ;;
  "logs --tail") echo "taosd: out of luck" ;;
  "run --detach" | "start "* | "unpause "*) echo "${BECOMES:-running}" >"$state" ;;
  "stop "*) echo exited >"$state" ;;
esac
"""
READY = 'echo \'{"code":0,"column_meta":[],"data":[["information_schema"]],"rows":1}\''
TAKEN = "driver failed: Bind for 127.0.0.1:{} failed: port is already allocated."
HAS_TEST = 'echo \'{"code":0,"column_meta":[],"data":[["information_schema"],["test"]],"rows":2}\''


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    checkout = make_checkout(tmp_path, "docker.sh")
    checkout.stub("docker", DOCKER)
    checkout.stub("base64", f'exec {shutil.which("base64")} "$@"')
    checkout.stub("curl", f"cat >/dev/null; {READY}")
    return checkout


def actions(checkout: Checkout) -> list[str]:
    """What changes something: docker's command lines without the questions."""
    questions = ("docker version", "docker container inspect", "docker image inspect", "docker port", "docker logs")
    return [call for call in checkout.calls("docker") if not call.startswith((*questions, "docker volume inspect"))]


def test_a_first_run_pulls_the_pinned_image_and_starts_it_on_loopback(checkout: Checkout) -> None:
    result = checkout.run("./docker.sh")
    assert (result.status, result.err) == (0, "")
    assert actions(checkout) == [f"docker pull {IMAGE}", RUN]
    assert "TDengine answers at localhost:6041" in result.out


def test_no_pull_uses_the_image_that_is_here(checkout: Checkout) -> None:
    assert checkout.run("./docker.sh", "--no-pull").status == 0
    assert actions(checkout) == [RUN]


def test_no_pull_without_an_image_is_one_line(checkout: Checkout) -> None:
    result = checkout.run("./docker.sh", "--no-pull", DOCKER_image="exit 1")
    assert result.status == 1
    assert f"there is no local image {IMAGE}" in result.error()
    assert actions(checkout) == []


def test_the_environment_names_another_image_and_another_port(checkout: Checkout) -> None:
    env = {"TAOS_IMAGE": "mine:1", "TAOS_PORT": "6141", "PUBLISHED": "127.0.0.1:6141"}
    assert checkout.run("./docker.sh", **env).status == 0
    assert actions(checkout) == ["docker pull mine:1", RUN.replace("0.1:6041:", "0.1:6141:").replace(IMAGE, "mine:1")]
    assert checkout.calls("curl")[0].endswith("http://127.0.0.1:6141/rest/sql")


@pytest.mark.parametrize(
    ("state", "action"),
    [
        ("running", []),
        ("exited", ["docker start prsp-tdengine"]),
        ("created", ["docker start prsp-tdengine"]),
        ("paused", ["docker unpause prsp-tdengine"]),
    ],
)
def test_a_container_that_is_there_is_used(checkout: Checkout, state: str, action: list[str]) -> None:
    assert checkout.run("./docker.sh", STATE=state).status == 0
    assert actions(checkout) == action


def test_a_container_at_another_port_is_one_line(checkout: Checkout) -> None:
    result = checkout.run("./docker.sh", STATE="running", PUBLISHED="127.0.0.1:6141")
    assert result.status == 1
    assert "use TAOS_PORT=6141" in result.error()


def test_it_waits_until_tdengine_answers_sql_without_an_error(checkout: Checkout, tmp_path: Path) -> None:
    asked = shlex.quote(str(tmp_path / "asked"))
    checkout.stub("curl", f"if [ -e {asked} ]; then {READY}; else : >{asked}; echo '{{\"code\":820}}'; fi")
    assert checkout.run("./docker.sh").status == 0
    assert len(checkout.calls("curl")) == 2


class Listener(BaseHTTPRequestHandler):
    """A TDengine that is content with everybody, and notes the login that it was shown."""

    logins: ClassVar[list[bytes]] = []

    def do_POST(self) -> None:
        kind, _, login = self.headers["Authorization"].partition(" ")
        assert kind == "Basic"
        self.logins.append(base64.b64decode(login, validate=True))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"code":0}')

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def listener() -> Iterator[tuple[str, list[bytes]]]:
    """Its port, and the logins that it was shown."""
    with HTTPServer(("127.0.0.1", 0), Listener) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield str(server.server_port), Listener.logins
        server.shutdown()
        thread.join()


def ask_with_curl(checkout: Checkout) -> None:
    checkout.stub("curl", f'exec {shutil.which("curl")} "$@"')


def ask_with_python(checkout: Checkout) -> None:
    (checkout.stubs / "curl").unlink()
    use_python(checkout)


def ask_with_python_for_want_of_base64(checkout: Checkout) -> None:
    ask_with_curl(checkout)
    (checkout.stubs / "base64").unlink()
    use_python(checkout)


PASSWORDS = {
    "quotes": 'a"b\'c"',
    "backslashes": '\\a\\b\\\\n\\t\\"\\',
    "line ends": "\na\n\nb\r\nc\n",
    "spaces": " \ta  b\t ",
    "dashes": "--data secret",
    "a comment": "# secret",
    "another option": 'x"\nurl = "http://127.0.0.1:1/',
    "signs": "%s%%&;|$HOME`id`$(id)*?[a]{b}~:@/#!+=",
    "not ASCII": "pässwörd €𝄞",
    "not even UTF-8": os.fsdecode(b"a\xff\xfeb"),
    "long": "secret" * 100,
    "the default": "",
}


@pytest.mark.skipif(not shutil.which("curl"), reason="needs curl")
@pytest.mark.parametrize("ask", [ask_with_curl, ask_with_python, ask_with_python_for_want_of_base64])
@pytest.mark.parametrize("password", PASSWORDS.values(), ids=PASSWORDS)
def test_every_password_arrives_as_it_is_and_is_in_no_command_line(
    checkout: Checkout, listener: tuple[str, list[bytes]], ask: Callable[[Checkout], None], password: str
) -> None:
    ask(checkout)
    port, logins = listener
    logins.clear()
    env = {"TAOS_PORT": port, "PUBLISHED": f"127.0.0.1:{port}", "TAOS_USER": 'me "\\', "TAOS_PASSWORD": password}
    result = checkout.run("./docker.sh", "--timeout", "1", **env)
    assert (result.status, result.err) == (0, "")
    assert logins == [os.fsencode(f'me "\\:{password or "taosdata"}')]
    if ask is ask_with_curl:
        url = f"http://127.0.0.1:{port}/rest/sql"
        command = rf"curl --silent --max-time 3 --noproxy \* --config - --data show\ databases {url}"
        assert checkout.calls("curl") + checkout.calls("base64") == [command, "base64"]


def test_an_image_that_is_none_is_no_option_of_dockers(checkout: Checkout) -> None:
    result = checkout.run("./docker.sh", TAOS_IMAGE="--privileged")
    assert result.status == 1
    assert "TAOS_IMAGE is the name of an image, not '--privileged'" in result.error()
    assert checkout.calls() == []


def test_without_curl_python_asks(checkout: Checkout, tmp_path: Path) -> None:
    (checkout.stubs / "curl").unlink()
    venv = checkout.path / "venv/bin"
    venv.mkdir(parents=True)
    (venv / "python").write_text(f"#!/usr/bin/env bash\necho asked >{shlex.quote(str(tmp_path / 'asked'))}; {READY}\n")
    (venv / "python").chmod(0o755)
    assert checkout.run("./docker.sh").status == 0
    assert (tmp_path / "asked").exists()


def test_a_tdengine_that_never_answers_is_given_up_with_the_end_of_its_log(checkout: Checkout) -> None:
    checkout.stub("curl", "exit 7")
    result = checkout.run("./docker.sh", "--timeout", "1")
    assert result.status == 1
    log, message = result.err.splitlines()
    assert log == "taosd: out of luck"
    assert "TDengine does not answer after 1 s" in message


@pytest.mark.parametrize("becomes", ["exited", "dead"])
def test_a_tdengine_that_ends_is_given_up_at_once_with_the_end_of_its_log(checkout: Checkout, becomes: str) -> None:
    checkout.stub("curl", "exit 7")
    result = checkout.run("./docker.sh", BECOMES=becomes)
    assert result.status == 1
    assert result.err.startswith("taosd: out of luck\ndocker.sh: TDengine ended")
    assert len(checkout.calls("curl")) == 1


@pytest.mark.parametrize(
    ("env", "words"),
    [
        ({"DOCKER_version": "echo permission denied >&2; exit 1"}, "you may not use Docker"),
        ({"DOCKER_version": "echo Cannot connect to the Docker daemon >&2; exit 1"}, "daemon does not answer"),
        ({"DOCKER_pull": "exit 1"}, f"cannot pull {IMAGE}: check the network"),
        ({"DOCKER_run": "echo; echo no room >&2; exit 125"}, "cannot start the container prsp-tdengine: no room"),
        ({"DOCKER_run": f"echo '{TAKEN.format(6041)}' >&2; exit 125"}, "port 6041 is taken: stop what listens there"),
        ({"DOCKER_run": f"echo '{TAKEN.format(6030)}' >&2; exit 125"}, "port 6030, TDengine's own, is taken"),
        (
            {"STATE": "exited", "DOCKER_start": f"echo '{TAKEN.format(6041)}' >&2; exit 1"},
            "or choose another: TAOS_PORT=6141 ./docker.sh",
        ),
    ],
)
def test_a_failure_is_one_line_that_names_the_way_without_docker(
    checkout: Checkout, env: dict[str, str], words: str
) -> None:
    result = checkout.run("./docker.sh", **env)
    assert result.status == 1
    assert words in result.error()
    assert "./run.sh works without Docker" in result.err


def test_a_container_that_could_not_be_started_is_removed_again(checkout: Checkout) -> None:
    checkout.run("./docker.sh", DOCKER_run="exit 125")
    assert actions(checkout)[-1] == "docker rm prsp-tdengine"


def test_without_docker_one_line_says_so(checkout: Checkout) -> None:
    (checkout.stubs / "docker").unlink()
    result = checkout.run("./docker.sh")
    assert result.status == 1
    assert "Docker is not installed" in result.error()
    assert "./run.sh works without Docker" in result.err


def test_a_signal_ends_a_long_pull(checkout: Checkout) -> None:
    pull = f"exec {shlex.quote(sys.executable)} -c 'import time; time.sleep(60)'"
    with checkout.started("./docker.sh", DOCKER_pull=pull) as process:
        wait_until(lambda: checkout.calls("docker pull"), "the pull")
        os.kill(process.pid, signal.SIGTERM)
        _, err = process.communicate(timeout=5)
    assert (process.returncode, err) == (130, "docker.sh: interrupted\n")


@pytest.mark.parametrize(("state", "action"), [("running", ["docker stop prsp-tdengine"]), ("exited", []), ("", [])])
def test_stop_stops_what_runs_and_deletes_nothing(checkout: Checkout, state: str, action: list[str]) -> None:
    assert checkout.run("./docker.sh", "--stop", STATE=state).status == 0
    assert actions(checkout) == action


def test_stop_with_remove_data_deletes_container_and_volume(checkout: Checkout) -> None:
    result = checkout.run("./docker.sh", "--stop", "--remove-data", "-y", STATE="running")
    assert (result.status, result.err) == (0, "")
    assert actions(checkout) == [
        "docker stop prsp-tdengine",
        "docker rm prsp-tdengine",
        "docker volume rm prsp-tdengine-data",
    ]


def test_remove_data_also_deletes_a_volume_that_is_left_without_a_container(checkout: Checkout) -> None:
    assert checkout.run("./docker.sh", "--stop", "--remove-data", "-y").status == 0
    assert actions(checkout) == ["docker volume rm prsp-tdengine-data"]


@pytest.mark.parametrize(("answer", "status"), [("y\n", 0), ("Yes\n", 0), ("n\n", 1), ("\n", 1), ("", 1)])
def test_remove_data_asks_first_and_takes_only_yes_for_an_answer(checkout: Checkout, answer: str, status: int) -> None:
    result = checkout.run("./docker.sh", "--stop", "--remove-data", input=answer, STATE="exited")
    assert result.status == status
    assert "Delete the container prsp-tdengine and its data, the volume prsp-tdengine-data? [y/N]" in result.out
    if status:
        assert "nothing was deleted" in result.error()
        assert actions(checkout) == []


def filled(checkout: Checkout) -> tuple[str, str, int]:
    """Tables and rows of the one call of taosBenchmark, and its first timestamp, in seconds."""
    (call,) = checkout.calls("docker exec")
    words = call.split()
    assert call == FILL.format(words[6], words[8], words[12])
    return words[6], words[8], int(words[12]) // 1000


def test_benchmark_fills_meters_with_a_row_a_second_until_now_and_says_how_to_see_it(checkout: Checkout) -> None:
    before = int(time.time())
    result = checkout.run("./docker.sh", "--benchmark")
    after = int(time.time())
    assert (result.status, result.err) == (0, "")
    tables, rows, first = filled(checkout)
    assert (tables, rows) == ("100", "1000")
    assert before <= first + 1000 <= after
    assert "perspective_server.py --database test --table meters" in result.out.splitlines()[-1]


def test_benchmark_takes_another_size(checkout: Checkout) -> None:
    assert checkout.run("./docker.sh", "--benchmark", "-t", "3", "-n", "60", STATE="running").status == 0
    assert filled(checkout)[:2] == ("3", "60")


@pytest.mark.parametrize(("options", "answer", "fills"), [((), "y\n", True), ((), "", False), (("-y",), "", True)])
def test_benchmark_asks_before_it_drops_the_database_test(
    checkout: Checkout, options: tuple[str, ...], answer: str, fills: bool
) -> None:
    checkout.stub("curl", HAS_TEST)
    result = checkout.run("./docker.sh", "--benchmark", *options, input=answer, STATE="running")
    assert result.status == (0 if fills else 1)
    assert ("drops the database test" in result.out) == (not options)
    assert bool(checkout.calls("docker exec")) == fills
    if not fills:
        assert "the database test was left as it is" in result.error()


def test_a_benchmark_that_fails_is_one_line_that_names_its_log(checkout: Checkout) -> None:
    result = checkout.run("./docker.sh", "--benchmark", STATE="running", DOCKER_exec="echo no disk; exit 1")
    assert result.status == 1
    assert "taosBenchmark failed: logs/benchmark.log says why" in result.error()
    assert (checkout.path / "logs/benchmark.log").read_text() == "no disk\n"


def test_benchmark_shows_no_password_of_the_users_to_others(checkout: Checkout) -> None:
    result = checkout.run("./docker.sh", "--benchmark", TAOS_PASSWORD="secret")
    assert result.status == 1
    assert "unset TAOS_USER and TAOS_PASSWORD" in result.error()
    assert checkout.calls() == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--nonsense"], "unknown option --nonsense"),
        (["--benchmark", "-t"], "-t needs a number"),
        (["--benchmark", "-n", "many"], "-n takes a number of rows, not 'many'"),
        (["-t", "5"], "-t and -n go with --benchmark"),
        (["--remove-data"], "--remove-data goes with --stop"),
        (["--stop", "--benchmark"], "do not go together"),
        (["--timeout"], "--timeout needs a number"),
        (["--timeout", "soon"], "--timeout takes a number of seconds, not 'soon'"),
    ],
)
def test_a_wrong_option_is_one_line_and_exit_2(checkout: Checkout, options: list[str], words: str) -> None:
    result = checkout.run("./docker.sh", *options)
    assert result.status == 2
    assert words in result.error()
    assert checkout.calls() == []


def test_help_goes_to_stdout_and_starts_nothing(checkout: Checkout) -> None:
    result = checkout.run("./docker.sh", "--help")
    assert (result.status, result.err) == (0, "")
    assert result.out.startswith("Usage: ./docker.sh")
    assert checkout.calls() == []
