"""What columns are called where they are shown: as in TDengine, but for names that Perspective takes for its own."""

import re
from collections.abc import Sequence

RESERVED = re.compile(r"psp_(op|okey|pkey)|__(INDEX|ID|GROUPING_ID)__|__ROW_PATH_.*")
"""The names that its engine and its viewer (5.6.1) give to columns of their own, besides those of the table.

A column called `psp_op` cannot be made, `psp_okey` stops a replica, `__INDEX__` becomes the key; others are no data.
"""


def shown_names(names: Sequence[str], taken: Sequence[str] = ()) -> list[str]:
    """What columns of these names, and those `taken`, are shown as: each other than all others, and none reserved.

    A name that is not free has an underscore behind it, or as many as it takes. (Of a virtual server's answer every
    column is dropped whose name begins with `__ROW_PATH_`: it has none before it then.)
    """
    used = {*taken, *(name for name in names if not RESERVED.fullmatch(name))}
    shown = []
    for name in names:
        as_shown = name
        if RESERVED.fullmatch(name) or name in taken:
            if name.startswith("__ROW_PATH_"):
                as_shown = f"{name.lstrip('_')}_"
            while RESERVED.fullmatch(as_shown) or as_shown in used:
                as_shown += "_"
            used.add(as_shown)
        shown.append(as_shown)
    return shown
