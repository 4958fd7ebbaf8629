"""The walls around the processes that judge: what they can reach if a submission should ever take one of them over.

The warm server lives in namespaces of its own, so that everything below it ends with it. A lab's process sees of the
file system what a student's kernel sees, Python and its libraries, once it has read its lab. A submission's process is
an unprivileged user as well, with limits of its own, and can open nothing for writing.
"""

from __future__ import annotations

import os
import resource
from collections.abc import Mapping
from pathlib import Path

from helpers.grader.limits import Limits
from helpers.grader.sandbox import isolation, relay, root, syscalls
from helpers.grader.sandbox.launch_request import LaunchRequest

JUDGE = 65533  # the user and the group of a submission's process when the grader is root; kernels run as another
ROOT_FOLDER, EMPTY_FOLDER = "root", "empty"  # in the server's folder
MAX_MEMORY = 2**30  # bytes that a submission's process may take besides what it is forked with
MAX_OPEN_FILES = 64
KEPT = 3  # the number of the file descriptor that a submission's process has besides the standard streams
MAX_HANDLES = 4096  # file descriptors that a process here may have open before it closes them
OWN_PROCESSOR_SECONDS = 30  # that judging may take, whatever a notebook's limits are


def build(folder: str) -> None:
    """Move this process into namespaces of its own, and build the root for labs' processes below `folder`.

    What is forked from here on is in the new process namespace; the first of them has to live as long as the others.
    """
    for name in (ROOT_FOLDER, EMPTY_FOLDER):
        os.makedirs(f"{folder}/{name}")
    isolation.leave_namespaces()
    request = LaunchRequest(f"{folder}/{EMPTY_FOLDER}", relay.FOLDER, [], {}, files=2**20, wire=True)
    root.build_root(request, f"{folder}/{ROOT_FOLDER}")


def demolish(folder: str) -> None:
    """Unmount what `build` has mounted, so that the folder can be removed."""
    syscalls.detach(f"{folder}/{ROOT_FOLDER}")


def enter(folder: str) -> None:
    """Make the root that `build` has built this process's own; for processes that are forked from it too."""
    syscalls.unshare(syscalls.NEW_MOUNTS)
    root.enter_root(f"{folder}/{ROOT_FOLDER}")


def keep_only(handle: int) -> int:
    """Close every file descriptor but one, and return its new number; the standard streams lead nowhere."""
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    if handle != KEPT:
        os.dup2(handle, KEPT)
    os.closerange(KEPT + 1, MAX_HANDLES)
    return KEPT


def lock_in(limits: Limits) -> None:
    """Give up all rights of this process for good, and set its limits, before it reads a student's first byte."""
    isolation.give_up_rights(JUDGE)
    syscalls.set_dumpable(False)  # others of the same user must not look into it
    _set(_resource_limits(limits))
    os.environ.clear()
    if syscalls.landlock_version():
        syscalls.landlock([*root.SYSTEM_FOLDERS, *root.readable_paths(), "/etc", "/proc", "/dev"], [])
    syscalls.refuse_dangerous_calls()


def _resource_limits(limits: Limits) -> dict[int, int]:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return {  # soft limits: past the hard one, processor time would end in SIGKILL, which tells nothing
        resource.RLIMIT_DATA: int(status.split("VmData:")[1].split()[0]) * 1024 + MAX_MEMORY,
        resource.RLIMIT_CPU: OWN_PROCESSOR_SECONDS + int(limits.notebook / 2),
        resource.RLIMIT_NOFILE: MAX_OPEN_FILES,
        resource.RLIMIT_NPROC: 0,  # no process and no thread of its own
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_MEMLOCK: 0,
        resource.RLIMIT_MSGQUEUE: 0,
    }


def _set(limits: Mapping[int, int]) -> None:
    for kind, limit in limits.items():
        hard_limit = resource.getrlimit(kind)[1]
        if hard_limit != resource.RLIM_INFINITY:
            limit = min(limit, hard_limit)
        resource.setrlimit(kind, (limit, limit + 1 if limit and limit != hard_limit else limit))
