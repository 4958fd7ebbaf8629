"""The program of the judging server, which the grader starts.

    python -m helpers.grader.run.judging_server FOLDER ARCHIVES

FOLDER is an empty one of its own, which it removes when it ends; standard input is its connection to the grader, and
ARCHIVES the file descriptor of another one, on which it is asked to read archives. It
leaves the host's namespaces before it imports anything large, since a process with threads cannot.
"""

from __future__ import annotations

import os
import shutil
import socket
import sys

from helpers.grader.judging import room
from helpers.grader.judging.archive_reader import serve_archives
from helpers.grader.judging.task import STDIN


def main(folder: str, archives: int) -> None:
    """Serve until the grader has gone, in a process that everything else ends with."""
    room.build(folder)
    first = os.fork()
    if first == 0:
        if os.fork() == 0:  # at once, so that archives are unpacked while everything else is still being imported
            serve_archives(archives, folder)
        os.close(archives)
        from helpers.grader.judging.server import serve
        from helpers.grader.reports.feedback import graded_text

        serve(socket.socket(fileno=STDIN), folder, graded_text)
    os.close(STDIN)
    os.close(archives)
    os.waitpid(first, 0)
    room.demolish(folder)
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
