"""What history does not answer, in words for who asked."""


class HistoryError(Exception):
    """A question that is not answered. Its text says why, and what to ask instead."""
