"""Errors whose text is for people: what happened, what was expected and what to do."""


class GraderError(Exception):
    """Something a person can mend; the command shows its text as a single line, without a traceback."""


class RunStopped(GraderError):
    """Something that concerns every submission alike, so that a run had better stop."""


class Refused(Exception):
    """A submission that is not judged; the text is the reason, `verdict` is "error" or "denied"."""

    def __init__(self, reason: str, verdict: str = "error") -> None:
        super().__init__(reason)
        self.verdict = verdict
