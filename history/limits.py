"""How much history answers and holds, so that no question takes the machine."""

MAX_ROWS = 20_000
"""Rows of one answer."""

MAX_GROUPS = 50_000
"""Rows of a pivot, which are held while its view is open, as long as there is room for them:"""
MAX_VALUES = 1_000_000
"""Values of one answer, of one pivot, and of all pivots that are held: some 50 MB."""

MAX_ANSWER_BYTES = 2**22
"""Bytes of one answer: what the server holds for a viewer that has not read it yet."""

MAX_SUGGESTIONS = 1000
"""Groups without columns: values of a column to choose from."""

MAX_LEVELS = 6
"""Columns that can be grouped by."""

MAX_SPLIT_COLUMNS = 1000
"""Columns of a view that is split."""
