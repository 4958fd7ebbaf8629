"""Who may talk to the marking page, and what it says."""

import json

import pytest
from sqlalchemy.exc import OperationalError
from tornado.testing import AsyncHTTPTestCase

from helpers.grader.marking.desk import MarkingDesk
from helpers.grader.marking.server import FILES, application
from tests.nine_texts import HOSTILE, KEY, mark_in_formgrader

TOKEN = "a-token-for-tests"


class TestServer(AsyncHTTPTestCase):
    @pytest.fixture(autouse=True)
    def _class(self, desk: MarkingDesk, output) -> None:
        self.desk, self.output = desk, output

    def get_app(self):
        return application(self.desk, TOKEN)

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.get_http_port()}"

    def get(self, path, token=TOKEN, **headers):
        return self.fetch(f"/{token}/{path}", headers=headers)

    def post(self, path, body, token=TOKEN, **headers):
        sent = {"Origin": self.origin, "Content-Type": "application/json"} | headers
        headers = {name: value for name, value in sent.items() if value is not None}
        return self.fetch(f"/{token}/api/{path}", method="POST", headers=headers, body=json.dumps(body))

    def question(self):
        return json.loads(self.get(f"api/question?key={KEY}").body)

    def new_mark(self, group, **values):
        return {
            "key": KEY, "marker": "me", "groups": {group["id"]: group["version"]},
            "items": [], "points": 1, "note": "",
        } | values  # fmt: skip

    def test_the_page_and_its_parts_are_here_and_come_from_nowhere_else(self):
        for name in FILES:
            reply = self.get(name)
            assert reply.code == 200 and reply.headers["Cache-Control"] == "no-store"
            policy = reply.headers["Content-Security-Policy"]
            assert "default-src 'none'" in policy and "script-src 'self';" in policy and "unsafe" not in policy
            assert b"//" not in reply.body.replace(b"// ", b"").replace(b"http://www.w3.org", b"")
        assert "Server" not in reply.headers

    def test_without_the_token_nothing_is_told_or_done(self):
        group = self.question()["groups"][0]
        for token in ("", "another", TOKEN[:-1], TOKEN + "x", "%C3%A9"):
            for path in ("", "mark.js", "api/overview", f"api/question?key={KEY}", "nothing"):
                reply = self.get(path, token)
                assert reply.code == 403 and b"value" not in reply.body and b"Think" not in reply.body
            assert self.post("mark", self.new_mark(group), token).code == 403
        for path in ("/", "/favicon.ico", "/api/overview", f"/?token={TOKEN}"):
            assert self.fetch(path).code == 403
        assert self.question()["groups"][0]["left"] == 40

    def test_another_host_or_origin_is_refused(self):
        assert self.get("", Host="localhost:9").code == 200  # through a tunnel, the port is another one
        for host in ("evil.example", f"evil.example:{self.get_http_port()}", "127.0.0.1.evil.example", "[", "0.0.0.0"):
            assert self.get("", Host=host).code == 403
        for origin in ("http://evil.example", "null", "https://127.0.0.1", f"http://localhost:{self.get_http_port()}"):
            assert self.get("api/overview", Origin=origin).code == 403
        group = self.question()["groups"][0]
        for refused in ({"Origin": None}, {"Origin": "http://evil.example"}, {"Host": "evil.example"}):
            assert self.post("mark", self.new_mark(group), **refused).code == 403
        assert self.post("mark", self.new_mark(group), **{"Content-Type": "text/plain"}).code == 415
        assert self.question()["groups"][0]["left"] == 40

    def test_an_answer_travels_as_data(self):
        reply = self.get(f"api/question?key={KEY}")
        assert reply.headers["Content-Type"].startswith("application/json")
        assert reply.headers["X-Content-Type-Options"] == "nosniff"
        question = json.loads(reply.body)
        assert HOSTILE in [group["text"] for group in question["groups"]]
        assert "script" not in question["text"] + question["model_answer"]

    def test_nine_requests_mark_a_hundred_answers(self):
        requests = 0
        while left := [group for group in self.question()["groups"] if group["left"]]:
            reply = self.post("mark", self.new_mark(left[0], points=2))
            assert reply.code == 200 and json.loads(reply.body)["changed"]
            requests += 1
        (entry,) = json.loads(self.get("api/overview").body)
        assert requests == 9 and entry["answers"] == 100 and entry["answers_left"] == 0

    def test_a_mark_that_was_changed_meanwhile_comes_back_with_409(self):
        group = self.question()["groups"][0]
        mark_in_formgrader(self.output, "student007", 1.5)
        reply = self.post("mark", self.new_mark(group))
        content = json.loads(reply.body)
        assert reply.code == 409 and "Someone else has changed this mark" in content["problem"]
        assert {"points": 1.5, "count": 1} in content["groups"][0]["given"] and not content["changed"]

    def test_undo_and_the_comment_bank(self):
        group = self.question()["groups"][0]
        content = json.loads(self.post("mark", self.new_mark(group, note="Why?")).body)
        assert content["comments"] == ["Why?"] and content["groups"][0]["mark"]["note"] == "Why?"
        content = json.loads(self.post("forget", {"key": KEY, "marker": "me", "text": "Why?"}).body)
        assert content["comments"] == []
        content = json.loads(self.post("undo", {"key": KEY, "marker": "me"}).body)
        assert content["undone"] == [group["id"]] and content["groups"][0]["left"] == 40
        assert not json.loads(self.post("undo", {"key": KEY, "marker": "me"}).body)["changed"]

    def test_a_request_of_another_form_changes_nothing(self):
        group = self.question()["groups"][0]
        for wrong in (
            {"points": "2"}, {"points": True}, {"points": float("nan")}, {"points": [1]}, {"items": [1]},
            {"note": None}, {"groups": [group["id"]]}, {"groups": {group["id"]: 1}}, {"key": 1}, {"marker": None},
            {"items": None},
        ):  # fmt: skip
            assert self.post("mark", self.new_mark(group, **wrong)).code == 400, wrong
        for wrong in ({"points": 3}, {"points": None}, {"key": "00_mini/answer_who"}, {"items": ["invented"]}):
            reply = self.post("mark", self.new_mark(group, **wrong))
            assert reply.code == 422 and json.loads(reply.body)["error"], wrong
        assert self.post("mark", []).code == 400 and self.get("api/mark").code == 405
        assert self.question()["groups"][0]["left"] == 40

    def test_a_database_that_is_locked_is_said(self):
        def locked(key, marker):
            raise OperationalError("SELECT", {}, Exception("database is locked"))

        self.desk.question = locked
        reply = self.get(f"api/question?key={KEY}")
        assert reply.code == 503 and "database is locked" in json.loads(reply.body)["error"]
