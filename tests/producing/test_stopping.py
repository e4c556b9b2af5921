"""What a script's exit code says when a signal ends it: stopping.py."""

import os
import signal

import pytest

from conftest import Start

# As when its interpreter ends, a signal is the end of this child. It says its process id.
SCRIPT = """
import os, signal, time
from producing import stopping

def main(stop):
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    print("child", os.getpid(), flush=True)
    time.sleep(60)

stopping.run(main)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_child_that_the_passed_on_signal_finds_at_its_end_is_no_failure(start: Start, number: signal.Signals) -> None:
    script = start("-c", SCRIPT)
    script.says("child")
    assert script.stop(number) == 0


def test_a_child_that_others_end_is_a_failure(start: Start) -> None:
    script = start("-c", SCRIPT)
    child = int(script.says("child").split()[1])
    os.kill(child, signal.SIGTERM)
    assert script.wait() == 128 + signal.SIGTERM
