"""What history does not answer, in words for who asked."""


class HistoryError(Exception):
    """A question that is not answered. Its text says why, and what to ask instead."""


class Unanswered(Exception):
    """That there is no process to answer, or none that has. Its text says why."""
