"""The error that a request to an API can end in, without any HTTP library: `send` in lab 06 raises nothing else."""


class ApiError(Exception):
    """The server answered with an HTTP status that means failure.

    Attributes:
        status: the HTTP status: 429 is "too many requests", 500 and above are the server's own failures.
        retry_after: how many seconds to wait before the next attempt, if the server said so, else None.
    """

    def __init__(self, status: int, retry_after: float | None = None) -> None:
        wait = "" if retry_after is None else f", retry after {retry_after:g} s"
        super().__init__(f"HTTP status {status}{wait}")
        self.status, self.retry_after = status, retry_after
