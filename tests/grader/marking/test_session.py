"""The whole command, as a process: it prints its address, takes a mark, and updates everything at Ctrl-C."""

import json
import signal
import socket
import stat
import subprocess
import sys
import urllib.request

import pytest

from helpers.cli import main
from helpers.grader.marking import session
from tests.nine_texts import KEY


def ask(address, path, body=None):
    origin = "/".join(address.split("/")[:3])
    headers = {"Origin": origin, "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(f"{address}api/{path}", data, headers), timeout=60) as reply:
        return json.load(reply)


@pytest.mark.slow
def test_from_the_command_to_the_students_page(marking_course, output):
    command = [sys.executable, "-m", "helpers.cli", "mark", "00_mini", "--no-browser", "--output", str(output)]
    command += ["--course", str(marking_course)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        address = running.stdout.readline().removeprefix("Mark here: ").strip()
        assert address.startswith("http://127.0.0.1:") and len(address.split("/")[3]) >= 40
        group = ask(address, f"question?key={KEY}")["groups"][0]
        body = {"key": KEY, "marker": "me", "groups": {group["id"]: group["version"]}, "items": [], "points": 1.5}
        assert ask(address, "mark", body | {"note": "Nearly."})["changed"]
        running.send_signal(signal.SIGINT)
        said, errors = running.communicate(timeout=120)
    assert running.returncode == 0, errors
    assert "Updated feedback" in said and "60 written answers to mark" in said
    page = (output / "feedback" / "student000" / "00_mini" / "00_mini.html").read_text()
    assert "Nearly." in page and "8.5 of 9" in page


def test_a_port_in_use_is_said(marking_course, output, capsys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        command = ["mark", "--no-browser", "--port", port, "--output", str(output), "--course", str(marking_course)]
        assert main(command) == 1
    assert f"Port {port} is not free" in capsys.readouterr().err


def test_the_browsers_command_line_does_not_hold_the_token(tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr(session.webbrowser, "open", opened.append)
    session.open_in_browser("http://127.0.0.1:1/secret/", tmp_path).join()
    (address,) = opened
    page = tmp_path / "marking.html"
    assert address == page.as_uri() and "secret" not in address and "http://127.0.0.1:1/secret/" in page.read_text()
    assert stat.S_IMODE(page.stat().st_mode) == 0o600
