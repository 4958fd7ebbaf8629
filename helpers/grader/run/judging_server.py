"""The program of the judging server, which the grader starts.

    python -m helpers.grader.run.judging_server FOLDER

FOLDER is an empty one of its own, which it removes when it ends; standard input is its connection to the grader. It
leaves the host's namespaces before it imports anything large, since a process with threads cannot.
"""

from __future__ import annotations

import os
import shutil
import socket
import sys

from helpers.grader.judging import room

STDIN = 0


def main(folder: str) -> None:
    """Serve until the grader has gone, in a process that everything else ends with."""
    room.build(folder)
    first = os.fork()
    if first == 0:
        from helpers.grader.judging.server import serve
        from helpers.grader.reports.feedback import graded_text

        serve(socket.socket(fileno=STDIN), folder, graded_text)
    os.close(STDIN)
    os.waitpid(first, 0)
    room.demolish(folder)
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(sys.argv[1])
