"""The page in Firefox: live rows, a chart where there is WebGL, History, and a server that comes back."""

from base64 import b64decode
from pathlib import Path

import pytest

from conftest import Start
from firefox import FIREFOX, firefox
from parts import free_port, get_json
from viewers import ARTEFACTS, PRESSED, VIEWER
from waiting import eventually

STATE = "document.querySelector('#state').textContent"
DRAWN = "document.querySelector('nav[aria-busy=false]') !== null"
ROWS = f"{VIEWER}.getTable().then((table) => table.size())"


@pytest.mark.skipif(FIREFOX is None, reason="needs Firefox")
def test_firefox_shows_live_rows_a_chart_history_and_finds_a_server_again(
    start: Start, taos_port: int, tmp_path: Path
) -> None:
    port = free_port()
    options = ("--port", str(port), "--taos-port", str(taos_port))
    server = start("perspective_server.py", *options)
    start("producer.py", "--taos-port", str(taos_port))
    eventually(lambda: get_json(f"http://127.0.0.1:{port}/status")[1].get("rows") == 1000)
    with firefox(tmp_path) as tab:
        tab.open(f"http://127.0.0.1:{port}/")
        tab.until(f"{DRAWN} && {STATE}.startsWith('live')")
        assert tab.until(ROWS) == 1000
        if tab.value("document.createElement('canvas').getContext('webgl2') !== null"):
            tab.value("document.querySelector('nav [value=Treemap]').click()")
            tab.until(f"{DRAWN} && {PRESSED} === 'Treemap'")
            tab.until(f"{VIEWER}.save().then(({{ plugin }}) => plugin === 'Treemap')")
        else:
            assert "Charts need WebGL" in tab.until("document.querySelector('#note span').textContent")
            assert tab.value(f"{VIEWER}.save().then(({{ plugin }}) => plugin)") == "Datagrid"
        ARTEFACTS.mkdir(exist_ok=True)
        (ARTEFACTS / "firefox.png").write_bytes(b64decode(tab.screenshot()))
        tab.value("document.querySelector('#mode [value=history]').click()")
        tab.until(f"{DRAWN} && document.querySelector('#span').textContent !== ''")
        assert tab.until(ROWS) >= 1000
        tab.value("document.querySelector('#mode [value=live]').click()")
        tab.until(f"{DRAWN} && {PRESSED} !== undefined && document.querySelector('#history').hidden")
        server.kill()
        tab.until(f"{STATE} === 'reconnecting'")
        start("perspective_server.py", *options)
        tab.until(f"{DRAWN} && {STATE}.startsWith('live')")
        assert tab.until(ROWS) == 1000
