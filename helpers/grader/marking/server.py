"""The marking page's server, for this computer alone.

It listens on the loopback, and every address starts with a random token, so neither other users of the computer nor
pages from elsewhere in the same browser can read or mark anything. A request must also name the loopback as its host,
which a rebound domain name cannot, and a change must come from the page itself. Students' texts travel as JSON and
become text nodes; the content security policy would stop a script in any case.
"""

from __future__ import annotations

import hmac
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy.exc import SQLAlchemyError
from tornado.web import Application, HTTPError, RequestHandler

from helpers.grader.errors import GraderError
from helpers.grader.marking.desk import MarkingDesk, NewMark
from helpers.grader.marking.marks import MarkChanged

PAGE = Path(__file__).parent / "page"
FILES = {"": "mark.html"} | {name: name for name in ("mark.css", "mark.js", "state.js", "view.js", "keys.js")}
KINDS = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
LOOPBACK = {"127.0.0.1", "localhost"}
MAX_BODY = 1_000_000  # bytes of a request

_POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        "img-src 'self' data:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]
)
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": _POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
CHANGED = "Someone else has changed this mark, or the answer, meanwhile. Nothing was saved; this is how it is now."


class _Guarded(RequestHandler):
    """Answers only those who have the token, through the loopback's own name."""

    def initialize(self, desk: MarkingDesk, token: str) -> None:
        self.desk, self._token = desk, token

    def set_default_headers(self) -> None:
        self.clear_header("Server")
        for name, value in HEADERS.items():
            self.set_header(name, value)

    def prepare(self) -> None:
        """Refuse with 403 whoever is not the page itself."""
        given, host = self.path_kwargs.pop("token", "") or "", self.request.headers.get("Host", "")
        if not hmac.compare_digest(given.encode(), self._token.encode()):
            raise HTTPError(403, reason="Open the address that distillab mark has printed")
        origin = self.request.headers.get("Origin")
        if _hostname(host) not in LOOPBACK or origin not in (None, f"http://{host}"):
            raise HTTPError(403, reason="Only for pages of this computer")
        if self.request.method == "POST" and origin is None:
            raise HTTPError(403, reason="Only for the marking page")

    def write_error(self, status_code: int, **details: Any) -> None:
        """Answer an error in one line, without a traceback."""
        self.reply({"error": f"{self._reason}."}, status_code)

    def reply(self, content: object, status: int = 200) -> None:
        """Answer with JSON."""
        self.set_status(status)
        self.set_header("Content-Type", "application/json; charset=utf-8")
        self.finish(json.dumps(content))

    def safely(self, answer: Callable[[], object]) -> None:
        """Answer with what `answer` returns, or with what went wrong in words."""
        try:
            content = answer()
            self.reply(content, 409 if isinstance(content, dict) and content.get("problem") else 200)
        except GraderError as problem:
            self.reply({"error": str(problem)}, 422)
        except (SQLAlchemyError, OSError) as problem:
            said = " ".join(str(getattr(problem, "orig", None) or problem).split())
            self.reply({"error": f"Not saved: {said}. Save again."}, 503)


class _File(_Guarded):
    """The page, its modules and its styles."""

    def get(self, name: str) -> None:
        if name not in FILES:
            raise HTTPError(404)
        path = PAGE / FILES[name]
        self.set_header("Content-Type", f"{KINDS[path.suffix]}; charset=utf-8")
        self.finish(path.read_bytes())


class _Read(_Guarded):
    """What there is to mark."""

    def get(self, what: str) -> None:
        key, group, marker = (self.get_query_argument(name, "") for name in ("key", "group", "marker"))
        answers: dict[str, Callable[[], object]] = {
            "overview": self.desk.overview,
            "question": lambda: self.desk.question(key, marker),
            "group": lambda: self.desk.group(key, group, marker),
            "names": lambda: self.desk.names(key, group),
        }
        self.safely(answers[what])


class _Change(_Guarded):
    """Marks, undo and the comment bank; the answer tells how things are afterwards."""

    def post(self, what: str) -> None:
        if not self.request.headers.get("Content-Type", "").startswith("application/json"):
            raise HTTPError(415)
        try:
            body = json.loads(self.request.body)
            key, marker = _text(body["key"]), _text(body["marker"])
            change = self._change(what, key, marker, body)
        except (ValueError, TypeError, KeyError, AttributeError):
            raise HTTPError(400) from None
        self.safely(lambda: self._changed(change, key, marker))

    def _change(self, what: str, key: str, marker: str, body: dict[str, Any]) -> Callable[[], Any]:
        if what == "undo":
            return lambda: self.desk.undo(marker)
        if what == "forget":
            text = _text(body["text"])
            return lambda: self.desk.forget_comment(key, text)
        new = _new_mark(body, marker)
        return lambda: self.desk.mark(key, new)

    def _changed(self, change: Callable[[], Any], key: str, marker: str) -> dict[str, Any]:
        """Make the change, and return how the question that it was made to looks now."""
        problem, changed = "", None
        try:
            changed = change()
        except MarkChanged:
            problem = CHANGED
        undone: list[str] = []
        if isinstance(changed, tuple):
            key, undone = changed
        return {
            "problem": problem,
            "changed": bool(changed),
            "key": key,
            "undone": undone,
            "groups": self.desk.groups(key, marker),
            "comments": self.desk.comments(key),
            "overview": self.desk.overview(),
        }


def _hostname(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _new_mark(body: dict[str, Any], marker: str) -> NewMark:
    """Return the mark in a request. Raises ValueError, TypeError, KeyError or AttributeError if it is malformed."""
    points = body["points"]
    if points is not None and (isinstance(points, bool) or not math.isfinite(points)):
        raise ValueError
    return NewMark(
        marker=marker,
        groups={_text(group): _text(version) for group, version in body["groups"].items()},
        items=tuple(map(_text, body["items"])),
        points=points,
        note=_text(body["note"]),
    )


def application(desk: MarkingDesk, token: str) -> Application:
    """Return the server's application. Every address that it knows starts with the token."""
    shared = {"desk": desk, "token": token}
    prefix = r"/(?P<token>[^/]*)"
    return Application(
        [
            (rf"{prefix}/api/(?P<what>overview|question|group|names)", _Read, shared),
            (rf"{prefix}/api/(?P<what>mark|undo|forget)", _Change, shared),
            (rf"{prefix}/(?P<name>[^/]*)", _File, shared),
        ],
        default_handler_class=_Guarded,
        default_handler_args=shared,
        log_function=lambda handler: None,  # addresses contain the token
    )
