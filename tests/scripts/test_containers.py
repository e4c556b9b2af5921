"""Dockerfile and compose.yaml, as far as they can be tried without Docker: their steps, in a clean place."""

import http.client
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from parts import ROOT, free_port, get_json, kill_session
from waiting import eventually

DOCKERFILE = (ROOT / "Dockerfile").read_text().replace("\\\n", "")
COMPOSE = (ROOT / "compose.yaml").read_text()


def instructions(name: str) -> list[str]:
    """What follows each instruction of that name."""
    return re.findall(rf"(?m)^{name} (.*)$", DOCKERFILE)


def commands() -> list[list[str]]:
    """The commands of the image, and of the services of Compose."""
    return [json.loads(each) for each in [*instructions("CMD"), *re.findall(r"command: (\[.*\])", COMPOSE)]]


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """What the image has in its directory."""
    for copied in instructions("COPY"):
        *sources, to = copied.split()
        for source in sources:
            target = tmp_path / to / ("" if (ROOT / source).is_dir() else Path(source).name)
            if (ROOT / source).is_dir():
                shutil.copytree(ROOT / source, target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / source, target)
    return tmp_path


@contextmanager
def started(image: Path, command: list[str], *options: str, **env: str) -> "Iterator[subprocess.Popen[bytes]]":
    """A command of the image's, in its directory, which is not written to, and with its environment alone."""
    assert command[0] == "python"
    process = subprocess.Popen(
        [sys.executable, *command[1:], *options],
        cwd=image,
        env={"PATH": os.environ["PATH"], **dict(re.findall(r"(\w+)=(\S+)", instructions("ENV")[0])), **env},
        stdin=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        kill_session(process)


def healthy(port: int, **env: str) -> bool:
    """What the image's health check says."""
    (check,) = instructions("HEALTHCHECK")
    command: list[str] = json.loads(check.partition(" CMD ")[2])
    code = command[2].replace("8080", str(port))
    done = subprocess.run([sys.executable, command[1], code], env=env, stderr=subprocess.DEVNULL, check=False)
    return done.returncode == 0


def test_the_steps_of_the_image_and_of_compose_lead_to_live_rows(image: Path, running_taos: int) -> None:
    before = {path.relative_to(image) for path in image.rglob("*")}
    (producing,) = [each for each in commands() if each[1] == "producer.py"]
    (serving,) = [each for each in commands() if "--no-token" in each]
    port, at = free_port(), {"TAOS_HOST": "127.0.0.1", "TAOS_PORT": str(running_taos)}
    with started(image, producing, **at) as producer, started(image, serving, "--port", str(port), **at) as server:
        assert not healthy(port)
        eventually(lambda: get_json(f"http://127.0.0.1:{port}/status")[1].get("rows"))
        assert healthy(port)
        for process in (server, producer):
            process.terminate()
            assert process.wait(5) == 0
    assert {path.relative_to(image) for path in image.rglob("*")} == before


def test_an_image_of_ones_own_asks_for_a_token_and_is_well_all_the_same(image: Path) -> None:
    (alone,) = [each for each in commands() if "--no-token" not in each and each[1] == "perspective_server.py"]
    port = free_port()
    with started(image, alone, "--port", str(port), TAOS_PORT=str(free_port())) as server:
        eventually(lambda: get_status(port))
        assert get_status(port) == 403
        assert healthy(port)
        server.terminate()
        assert server.wait(5) == 0


def get_status(port: int) -> int:
    """The HTTP status of /status; 0 where nobody answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/status")
        return connection.getresponse().status
    except OSError:
        return 0


def test_it_runs_as_another_user_than_root_and_is_seen_by_this_machine_alone() -> None:
    assert instructions("USER") == ["10001"]
    assert re.findall(r'- "(.*:8080)"', COMPOSE) == ["127.0.0.1:8080:8080"]


def test_tdengine_is_pinned_to_the_version_of_docker_sh() -> None:
    (image,) = re.findall(r"TAOS_IMAGE:-(.*?)\}", (ROOT / "docker.sh").read_text())
    assert f"image: {image}\n" in COMPOSE


def has_compose() -> bool:
    """Whether docker knows `docker compose`."""
    try:
        return subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


@pytest.mark.skipif(not has_compose(), reason="needs docker compose")
def test_compose_understands_its_file() -> None:
    subprocess.run(["docker", "compose", "config", "--quiet"], cwd=ROOT, check=True)
