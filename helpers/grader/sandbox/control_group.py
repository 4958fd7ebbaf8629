"""Control groups: limits on memory and processes that Linux itself keeps, where the grader has a group of its own.

The supervisor counts what /proc tells, ten times a second (see `zygote.py`). A control group counts all that Linux
holds for its processes, page tables, socket buffers and files in memory included, and lets nothing past its limit even
for a moment. What can be used is a group of version 2 that belongs to the grader alone, as `systemd-run` makes one:

    the grader's group
    ├─ distillab-grader         the grader's own processes: a group with limited subgroups may hold none itself
    └─ distillab-PROCESS        the kernels of one zygote
       └─ kernel-…              each with its limits
"""

from __future__ import annotations

import contextlib
import os
import select
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from helpers.grader.sandbox.root import NOBODY

CONTROLLERS = ("memory", "pids")
GRADER_GROUP = "distillab-grader"
KERNELS_PREFIX = "distillab-"  # before the process id of a zygote
MOVE_ATTEMPTS = 20  # a process that was forked while others were moved makes the next attempt necessary
REMOVE_SECONDS = 5.0  # the processes of a group may take that long to be gone once they were killed
RETRY_SECONDS = 0.01
NOT_REMOVED = (
    "Control groups that are left behind, because a process in them has not ended: {}. Remove them with: rmdir"
)


class NoControlGroup(Exception):
    """Why this host gives the grader no control group of its own."""


@dataclass(frozen=True)
class ControlGroup:
    """One kernel's group. The two files are open, since a sandbox does not see the file system that they are in."""

    path: Path
    members: int
    events: int

    def enter(self) -> None:
        """Move the calling process into the group; what it starts from here on is in it too."""
        os.write(self.members, b"0")

    def ran_out_of_memory(self) -> bool:
        """Return whether Linux has ended the group for its memory."""
        events = dict(line.split() for line in os.pread(self.events, 1000, 0).decode("ascii").splitlines())
        return int(events.get("oom_kill", 0)) > 0

    def remove_after(self, supervisor: int) -> None:
        """Wait until a sandbox has ended, by the pidfd of its supervisor, and remove its group."""
        select.select([supervisor], [], [])
        _remove(self.path)


class ControlGroups:
    """The groups of one zygote's kernels.

    Args:
        grader: the process id of the grader.

    Raises:
        NoControlGroup: There can be none here.
    """

    def __init__(self, grader: int) -> None:
        self._base = _delegated_group(grader)
        self._folder = self._base / f"{KERNELS_PREFIX}{os.getpid()}"
        try:
            self._folder.mkdir()
            _hand_down(self._base)
            _hand_down(self._folder)
            self._try_out()
        except OSError as problem:
            self.close()
            raise NoControlGroup(f"{self._base} cannot be divided: {problem}") from None

    @classmethod
    def if_possible(cls, grader: int) -> ControlGroups | None:
        """Return them, or None where there can be none."""
        try:
            return cls(grader)
        except NoControlGroup:
            return None

    def create(self, memory: int, processes: int) -> ControlGroup:
        """Make a group that holds at most so many bytes of memory, and so many processes and threads."""
        path = Path(tempfile.mkdtemp(prefix="kernel-", dir=self._folder))
        limits = {"memory.max": memory, "memory.swap.max": 0, "memory.oom.group": 1, "pids.max": processes}
        for name, limit in limits.items():
            with contextlib.suppress(FileNotFoundError) if name == "memory.swap.max" else contextlib.nullcontext():
                _write(path / name, str(limit))  # without swap there is no file for it
        return ControlGroup(
            path, os.open(path / "cgroup.procs", os.O_WRONLY), os.open(path / "memory.events", os.O_RDONLY)
        )

    def close(self) -> None:
        """Remove what was made here once its processes are gone, and leave the grader's group as it was.

        What cannot be removed is said, once for all kernels.
        """
        kept = [path for path in [*self._folder.glob("kernel-*"), self._folder] if not _remove(path)]
        if kept:
            print(NOT_REMOVED.format(", ".join(map(str, kept))), file=sys.stderr, flush=True)
        if any(path.is_dir() and path.name != GRADER_GROUP for path in self._base.iterdir()):
            return  # another zygote still uses it, or somebody else
        with contextlib.suppress(OSError):
            _write(self._base / "cgroup.subtree_control", " ".join(f"-{name}" for name in CONTROLLERS))
            _move(self._base / GRADER_GROUP, self._base)
            _remove(self._base / GRADER_GROUP)

    def _try_out(self) -> None:
        """Have a process enter a group as a kernel does, without the right to open its files. Raises OSError."""
        group = self.create(2**26, 8)
        child = os.fork()
        if child == 0:
            try:
                if os.geteuid() == 0:
                    os.setresuid(NOBODY, NOBODY, NOBODY)
                group.enter()
                os._exit(0)
            finally:
                os._exit(1)
        failed = os.waitpid(child, 0)[1]
        for handle in (group.members, group.events):
            os.close(handle)
        _remove(group.path)
        if failed:
            raise OSError("this version of Linux lets no process without rights enter a group")


def _delegated_group(grader: int) -> Path:
    """Return the group of this process if it can be divided without touching the processes of others than the grader.

    Raises:
        NoControlGroup: It cannot.
    """
    group = _own_group()
    if group.name == GRADER_GROUP:
        group = group.parent
    try:
        offered = (group / "cgroup.controllers").read_text(encoding="ascii").split()
        if missing := [name for name in CONTROLLERS if name not in offered]:
            raise NoControlGroup(f"control groups of version 2 cannot limit {' and '.join(missing)} here")
        files = (group, group / "cgroup.procs", group / "cgroup.subtree_control")
        if not all(os.access(path, os.W_OK) for path in files):
            raise NoControlGroup(f"{group} is not delegated to this user")
        if not (_is_outermost(group) or _says_delegated(group) or _members(group) <= _family(grader)):
            raise NoControlGroup(f"other programs run in {group} as well")
    except OSError as problem:
        raise NoControlGroup(str(problem)) from None
    return group


def _own_group() -> Path:
    path = _after(Path("/proc/self/cgroup").read_text(encoding="utf-8"), "0::")
    for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines():
        mount, _, kind = line.partition(" - ")
        if path is not None and kind.startswith("cgroup2 "):
            return Path(mount.split()[4]) / path.lstrip("/")
    raise NoControlGroup("control groups of version 2 are not mounted here")


def _after(text: str, start: str) -> str | None:
    """Return the rest of the line that starts so, None where there is none."""
    return next((line.removeprefix(start) for line in text.splitlines() if line.startswith(start)), None)


def _is_outermost(group: Path) -> bool:
    """Return whether this is the root of all groups, which alone may hold processes beside limited subgroups."""
    return not (group / "cgroup.type").exists()


def _says_delegated(group: Path) -> bool:
    """Return whether systemd has marked the group as delegated; older versions do so for root's eyes alone."""
    for name in ("user.delegate", "trusted.delegate"):
        with contextlib.suppress(OSError):
            return os.getxattr(group, name) == b"1"
    return False


def _members(group: Path) -> set[int]:
    return {int(line) for line in (group / "cgroup.procs").read_text(encoding="ascii").split()}


def _family(grader: int) -> set[int]:
    """Return the process ids of the grader and of all that it has started."""
    parents = {int(name): _parent(name) for name in os.listdir("/proc") if name.isdigit()}
    family = {grader}
    while found := {process for process, parent in parents.items() if parent in family} - family:
        family |= found
    return family


def _parent(process: str) -> int:
    with contextlib.suppress(OSError):
        parent = _after(Path(f"/proc/{process}/status").read_text(encoding="ascii", errors="replace"), "PPid:")
        return int(parent or 0)
    return 0  # it has just ended


def _hand_down(group: Path) -> None:
    """Let the subgroups of a group have limits. Raises OSError."""
    for attempt in range(MOVE_ATTEMPTS):
        if not _is_outermost(group) and _members(group):
            (group / GRADER_GROUP).mkdir(exist_ok=True)
            _move(group, group / GRADER_GROUP)
        try:
            return _write(group / "cgroup.subtree_control", " ".join(f"+{name}" for name in CONTROLLERS))
        except OSError:
            if attempt == MOVE_ATTEMPTS - 1:
                raise


def _move(source: Path, target: Path) -> None:
    """Move all processes of one group into another."""
    for process in _members(source) if source.exists() else ():
        with contextlib.suppress(ProcessLookupError):
            _write(target / "cgroup.procs", str(process))


def _write(path: Path, text: str) -> None:
    handle = os.open(path, os.O_WRONLY)
    try:
        os.write(handle, text.encode("ascii"))
    finally:
        os.close(handle)


def _remove(group: Path) -> bool:
    """Remove a group without subgroups as soon as its processes are gone; return whether that was in time."""
    deadline = time.monotonic() + REMOVE_SECONDS
    while True:
        try:
            group.rmdir()
            return True
        except FileNotFoundError:
            return True
        except OSError:
            if time.monotonic() > deadline:
                return False
            time.sleep(RETRY_SECONDS)
