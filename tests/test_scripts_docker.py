"""docker.sh against a stub engine: the docker command lines of every path."""

import os
import shlex
import signal
import sys
from pathlib import Path

import pytest

from script_helpers import Checkout, make_checkout, wait_until

IMAGE = "tdengine/tsdb:3.4.2.8"
RUN = (
    "docker run --detach --name prsp-tdengine --publish 127.0.0.1:6041:6041 --publish 127.0.0.1:6030:6030"
    f" --volume prsp-tdengine-data:/var/lib/taos {IMAGE}"
)
# docker's first word is looked up in the environment: DOCKER_pull="exit 1" makes `docker pull` fail.
DOCKER = """
case "$1 $2" in
  "container inspect") [ -n "${STATE:-}" ] && echo "$STATE" || exit 1 ;;
  "port prsp-tdengine") echo "${PUBLISHED:-127.0.0.1:6041}" ;;
  "logs --tail") echo "taosd: out of luck" ;;
esac
does=DOCKER_$1
eval "${!does:-}"
"""
READY = 'echo \'{"code":0,"column_meta":[],"data":[],"rows":0}\''


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    checkout = make_checkout(tmp_path, "docker.sh")
    checkout.stub("docker", DOCKER)
    checkout.stub("curl", f"cat >>{shlex.quote(str(tmp_path / 'curl input'))}; {READY}")
    return checkout


def actions(checkout: Checkout) -> list[str]:
    """What changes something: docker's command lines without the questions."""
    questions = ("docker version", "docker container inspect", "docker image inspect", "docker port", "docker logs")
    return [call for call in checkout.calls("docker") if not call.startswith(questions)]


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


def test_the_password_is_in_no_command_line(checkout: Checkout, tmp_path: Path) -> None:
    assert checkout.run("./docker.sh", TAOS_PASSWORD="secret").status == 0
    assert "secret" not in " ".join(checkout.calls())
    assert (tmp_path / "curl input").read_text() == 'user = "root:secret"\n'


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


@pytest.mark.parametrize(
    ("env", "words"),
    [
        ({"DOCKER_version": "echo permission denied >&2; exit 1"}, "you may not use Docker"),
        ({"DOCKER_version": "echo Cannot connect to the Docker daemon >&2; exit 1"}, "daemon does not answer"),
        ({"DOCKER_pull": "exit 1"}, f"cannot pull {IMAGE}: check the network"),
        ({"DOCKER_run": "echo; echo port is already allocated >&2; exit 125"}, "port is already allocated"),
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


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--nonsense"], "unknown option --nonsense"),
        (["--benchmark"], "--benchmark comes later"),
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
