"""A Firefox, spoken to by WebDriver BiDi, which it knows without a driver: enough of it for a smoke test."""

import asyncio
import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

from tornado.websocket import WebSocketClientConnection, websocket_connect

from waiting import eventually

FIREFOX = shutil.which("firefox-esr") or shutil.which("firefox")

PREFERENCES = {
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "toolkit.telemetry.enabled": False,
    "app.update.enabled": False,
    "browser.startup.page": 0,
    "browser.aboutwelcome.enabled": False,
    "extensions.update.enabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "services.settings.server": "",
    "webgl.force-enabled": True,
}
"""What keeps it quiet, and from asking others; and software may draw WebGL."""


class Tab:
    """A tab: calls of WebDriver BiDi, one at a time."""

    def __init__(self, loop: asyncio.AbstractEventLoop, socket: WebSocketClientConnection) -> None:
        self.loop = loop
        self.socket = socket
        self.numbers = count(1)
        self.call("session.new", capabilities={})
        self.context = self.call("browsingContext.getTree")["contexts"][0]["context"]

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """The result of a command. Raises RuntimeError where it fails."""

        async def answer() -> dict[str, Any]:
            number = next(self.numbers)
            await self.socket.write_message(json.dumps({"id": number, "method": method, "params": params}))
            while (message := await self.socket.read_message()) is not None:
                told: dict[str, Any] = json.loads(message)
                if told.get("id") == number:
                    return told
            raise RuntimeError("Firefox has ended")

        told = self.loop.run_until_complete(asyncio.wait_for(answer(), 30))
        if told["type"] != "success":
            raise RuntimeError(f"{method}: {told.get('message')}")
        result: dict[str, Any] = told["result"]
        return result

    def open(self, address: str) -> None:
        """Go to an address."""
        self.call("browsingContext.navigate", context=self.context, url=address, wait="interactive")

    def value(self, expression: str) -> Any:
        """The value of an expression in the page, which may be a promise; None where there is none yet."""
        code = f"(async () => JSON.stringify(await ({expression})))()"
        told = self.call("script.evaluate", expression=code, target={"context": self.context}, awaitPromise=True)
        return json.loads(told["result"]["value"]) if told.get("result", {}).get("type") == "string" else None

    def until(self, expression: str, seconds: float = 30) -> Any:
        """Wait until an expression is true, and return it."""

        def look() -> Any:
            try:
                return self.value(expression)
            except RuntimeError:
                return None  # The page is being loaded.

        return eventually(look, seconds, expression)

    def screenshot(self) -> str:
        """A PNG of what is seen, in base64."""
        return str(self.call("browsingContext.captureScreenshot", context=self.context)["data"])


async def connected(address: str) -> WebSocketClientConnection:
    """A websocket to an address, in the loop that runs."""
    return await websocket_connect(address, max_message_size=2**26)


@contextmanager
def display(directory: Path) -> Iterator[dict[str, str]]:
    """The environment of a display of its own, where there is an Xvfb; of none otherwise."""
    if not shutil.which("Xvfb"):
        yield {"MOZ_HEADLESS": "1"}
        return
    reading, writing = os.pipe()
    with (directory / "xvfb.log").open("wb") as log:
        command = ["Xvfb", "-displayfd", str(writing), "-screen", "0", "1000x700x24", "-nolisten", "tcp"]
        process = subprocess.Popen(command, pass_fds=[writing], stderr=log, start_new_session=True)
    os.close(writing)
    try:
        yield {"DISPLAY": f":{os.read(reading, 20).decode().strip()}"}
    finally:
        os.close(reading)
        process.terminate()
        process.wait(10)


@contextmanager
def firefox(directory: Path) -> Iterator[Tab]:
    """A Firefox with a profile of its own."""
    assert FIREFOX is not None
    profile = directory / "profile"
    profile.mkdir(parents=True)
    lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});" for name, value in PREFERENCES.items()]
    (profile / "user.js").write_text("\n".join(lines))
    log = directory / "firefox.log"
    loop = asyncio.new_event_loop()
    with display(directory) as shown, log.open("wb") as output:
        command = [FIREFOX, "--remote-debugging-port", "0", "--no-remote", "--profile", str(profile), "about:blank"]
        env = {**os.environ, "HOME": str(directory), "LIBGL_ALWAYS_SOFTWARE": "1", **shown}
        process = subprocess.Popen(command, env=env, stdout=output, stderr=output, start_new_session=True)
        try:
            told = eventually(lambda: re.search(r"BiDi listening on (ws://\S+)", log.read_text()), 60, f"{log}")
            assert told is not None
            yield Tab(loop, loop.run_until_complete(connected(told[1] + "/session")))
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            end = time.monotonic() + 5
            while process.poll() is None and time.monotonic() < end:
                time.sleep(0.05)
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            loop.close()
