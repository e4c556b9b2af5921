"""How all scripts take their options and end: one line for a wrong option, and for what only the user can mend."""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tdengine import telling
from tdengine.errors import TDengineError


def port_number(text: str) -> int:
    """Check a TCP port given on the command line. Raises argparse.ArgumentTypeError."""
    if not (text.isdecimal() and 1 <= int(text) <= 65535):
        raise argparse.ArgumentTypeError(f"{text!r} is no port (1 to 65535)")
    return int(text)


def positive(text: str) -> int:
    """Check a count given on the command line. Raises argparse.ArgumentTypeError."""
    if not (text.isdecimal() and 1 <= int(text) <= 10**9):
        raise argparse.ArgumentTypeError(f"{text!r} is no positive whole number")
    return int(text)


def folder(text: str) -> Path:
    """Check a folder given on the command line. Raises argparse.ArgumentTypeError."""
    if not Path(text).is_dir():
        raise argparse.ArgumentTypeError(f"{text!r} is no folder")
    return Path(text)


class Parser(argparse.ArgumentParser):
    """argparse, with one line for a wrong option instead of the whole usage before it."""

    def error(self, message: str) -> Any:
        self.exit(2, f"{self.prog}: {message} (see --help)\n")


def explained(main: Callable[[], int]) -> int:
    """Call `main` and return its exit code; for what only the user can mend that is 1, after one line on stderr."""
    try:
        return main()
    except TDengineError as error:
        telling.stderr.write(f"{os.path.basename(sys.argv[0])}: {error}\n")
        telling.stderr.flush()
        return 1
