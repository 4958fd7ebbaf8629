"""Errors whose text is shown to people: what happened, what was expected and what to do."""


class GraderError(Exception):
    """Something the user can fix; the command prints its text as one line, without a traceback."""


class RunStopped(GraderError):
    """Something that affects every submission alike, so the run should stop."""


class Refused(Exception):
    """A submission that is not judged. The text is the reason; `verdict` is "error" or "denied"."""

    def __init__(self, reason: str, verdict: str = "error") -> None:
        super().__init__(reason)
        self.verdict = verdict
