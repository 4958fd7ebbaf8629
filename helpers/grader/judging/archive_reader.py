"""What a process does that reads one archive: it sends the names of the files, or the files one by one, and ends."""

from __future__ import annotations

import json
import os
from typing import NoReturn

from helpers.grader.intake.archive import read_members, read_names, refusal_of
from helpers.grader.judging import room
from helpers.grader.judging.protocol import MAX_LISTING_BYTES
from helpers.grader.judging.task import STDIN, Foreman, Grader
from helpers.grader.limits import Limits


def serve_archives(requests: int, folder: str) -> NoReturn:
    """Start a process for each archive, until the grader has gone. Sees of the files what a lab's process sees."""
    try:
        os.dup2(requests, STDIN)
        os.closerange(STDIN + 3, room.MAX_HANDLES)
        room.enter(folder)
        Foreman(read_archive).run()
    finally:
        os._exit(1)


def read_archive(grader: Grader) -> None:
    """Read the archive whose descriptor comes, and send what is asked for: all names, or files."""
    (handle,) = grader.receive(1)
    room.lock_in(Limits(notebook=0))
    asked = json.loads(grader.content(MAX_LISTING_BYTES))
    with open(handle, "rb") as archive:
        try:
            if asked["names"]:
                grader.send("names", json.dumps(read_names(archive)).encode())
                return
            only = None if asked["only"] is None else frozenset(asked["only"])
            for member in read_members(archive, only):
                grader.send("file", json.dumps([member.parts, *member.modified]).encode())
                for chunk in member.content:
                    grader.send("data", chunk)
        except MemoryError:
            raise
        except Exception as problem:  # damaged bytes cause errors of any kind
            refusal = refusal_of(problem)
            grader.send("refused", json.dumps([str(refusal), refusal.verdict]).encode())
        else:
            grader.send("done")
