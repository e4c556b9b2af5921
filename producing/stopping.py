"""End a script within a second of Ctrl-C or SIGTERM, even while it waits for a TDengine that does not answer.

taosws holds the GIL during each of its calls, so a Python signal handler has to wait until the call returns: up to
four seconds when the database hangs. So the script runs in a child process, and this one, which calls nothing that
blocks, gives the child a moment to finish in order and then ends it.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import NoReturn

from tdengine import telling

GRACE_SECONDS = 0.8
SIGNALS = {signal.SIGINT, signal.SIGTERM}


def run(main: Callable[[threading.Event], int]) -> NoReturn:
    """Run `main` in a child process and exit with its status. The event it is given is set when it has to stop.

    Must be called before anything has started a thread. If this process is killed, the event is set as well.
    """
    alive, mine = os.pipe()
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    child = os.fork()
    if child == 0:
        os.close(mine)
        sys.exit(main(_stop_event(alive)))
    os.close(alive)
    status = _watch(child)
    os._exit(status if status >= 0 else 128 - status)


def _watch(child: int) -> int:
    """Wait for the child, pass signals on to it, and end it if it has not ended in time. Its exit code."""
    state = "running"

    def pass_on(*_: object) -> None:
        nonlocal state
        if state == "running":
            state = "stopping"
            signal.setitimer(signal.ITIMER_REAL, GRACE_SECONDS)
            os.kill(child, signal.SIGTERM)

    def end(*_: object) -> None:
        nonlocal state
        state = "killed"
        os.kill(child, signal.SIGKILL)

    signal.signal(signal.SIGALRM, end)
    for number in SIGNALS:
        signal.signal(number, pass_on)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    _, status = os.waitpid(child, 0)
    signal.setitimer(signal.ITIMER_REAL, 0)
    if state == "killed":
        telling.stderr.write("stopped while TDengine did not answer: the last batch may or may not be stored\n")
        telling.stderr.flush()
        return 0
    code = os.waitstatus_to_exitcode(status)
    # Ctrl-C reaches the child, too: what is passed on may find it done, its interpreter ending and its handlers gone.
    return 0 if state == "stopping" and code == -signal.SIGTERM else code


def _stop_event(alive: int) -> threading.Event:
    """An event that a signal sets, or the end of the parent process, which holds the other end of the pipe `alive`."""
    stop = threading.Event()
    for number in SIGNALS:
        signal.signal(number, lambda *_: stop.set())
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)

    def watch() -> None:
        os.read(alive, 1)
        stop.set()

    threading.Thread(target=watch, daemon=True).start()
    return stop
