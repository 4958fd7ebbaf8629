"""The one kind of error that the command shows as a single line, without a traceback."""


class GraderError(Exception):
    """Something a person can mend: its text says what happened, what was expected and what to do."""
