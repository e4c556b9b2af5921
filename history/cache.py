"""What has been found out, for all viewers of a process."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from weakref import ref

from history import limits
from history.view import View


@dataclass
class Cache:
    """Answers of the last second, as a viewer asks for sizes and schemas many times over; and pivots shown last."""

    clock: Callable[[], float]
    seconds: float = 1.0
    _found: dict[Any, tuple[float, Any]] = field(default_factory=dict)
    _held: list[ref[View]] = field(default_factory=list)

    def get(self, key: Any, find: Callable[[], Any], seconds: float | None = None) -> Any:
        """What is known under the key, or what `find` returns, which is then known for as long, or for `seconds`."""
        now = self.clock()
        if key in self._found and now < self._found[key][0]:
            return self._found[key][1]
        self._found = {other: known for other, known in self._found.items() if now < known[0]}
        value = find()
        self._found[key] = (self.clock() + (self.seconds if seconds is None else seconds), value)
        return value

    def hold(self, view: View) -> None:
        """Note that a pivot is shown. Those for which there is no room then are let go, and asked anew when shown."""
        others = [known for each in self._held if (known := each()) is not None and known.held and known is not view]
        self._held = [ref(known) for known in (*others, view)]
        room = limits.MAX_VALUES - view.held
        for known in reversed(others):
            room -= known.held
            if room < 0:
                known.groups = None
