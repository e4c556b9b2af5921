"""What the scripts tell on stderr, which may be closed, a pipe that nobody reads, or a terminal that stands still.

Nothing waits for it: a thread writes, and what there is no room for is left out.
"""

import logging
import os
import queue
import sys
import threading
import time

WAITING = 1000
"""Lines that may wait to be written."""

LAST_SECONDS = 0.5
"""How long they are waited for at the end."""


class Teller(logging.Handler):
    """A log's handler, and a stream, that writes to a descriptor. The thread begins with the first line: a process that
    has none yet may fork."""

    def __init__(self, descriptor: int = 2) -> None:
        super().__init__()
        self.descriptor = descriptor
        self.waiting: queue.Queue[bytes] = queue.Queue(WAITING)
        self.left_out = 0
        self.thread: threading.Thread | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Tell a line of the log."""
        self.write(self.format(record) + "\n")

    def write(self, text: str) -> None:
        """Tell a text, if there is room for it."""
        if self.thread is None:
            self.thread = threading.Thread(target=self._write, daemon=True)
            self.thread.start()
        try:
            if self.left_out:
                self.waiting.put_nowait(f"({self.left_out} lines were left out, as nobody read them)\n".encode())
                self.left_out = 0
            self.waiting.put_nowait(text.encode(errors="backslashreplace"))
        except queue.Full:
            self.left_out += 1

    def flush(self) -> None:
        """Wait until all is written, but not for long."""
        end = time.monotonic() + LAST_SECONDS
        while self.waiting.unfinished_tasks and time.monotonic() < end:
            time.sleep(0.005)

    def isatty(self) -> bool:
        """Whether a person may be looking on."""
        try:
            return os.isatty(self.descriptor)
        except OSError:
            return False

    def _write(self) -> None:
        while True:
            text = self.waiting.get()
            try:
                while text:
                    text = text[os.write(self.descriptor, text) :]
            except BlockingIOError:
                time.sleep(0.05)  # of a pipe that somebody else has told not to block
            except OSError:
                pass  # Nobody reads any more.
            self.waiting.task_done()


stderr = Teller()


def log_to_stderr(level: str = "INFO") -> None:
    """Log to stderr, whatever that is. A descriptor that is closed leads nowhere from here on.

    If it were left closed, the next file or pipe would be given its number, and be taken for it.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
            setattr(sys, name, os.fdopen(number, "w" if number else "r", closefd=False))
    logging.basicConfig(format="%(asctime)s %(message)s", level=level, handlers=[stderr])
