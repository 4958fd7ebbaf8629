"""Control groups: how a delegated group is divided, when it is left alone, and what a kernel in one cannot do.

Few hosts of tests delegate a group, so most of these run on a copy of Linux's rules about the files of a group.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from helpers.grader.judging.student_kernel import KernelDied, StudentKernel
from helpers.grader.sandbox import control_group, doctor
from helpers.grader.sandbox.control_group import ControlGroup, ControlGroups, NoControlGroup
from helpers.grader.sandbox.kernelspecs import SANDBOX_KERNEL
from helpers.grader.sandbox.zygote_client import ZYGOTE
from tests.grader.sandbox.conftest import LIMITS

GRADER, ZYGOTES, SHELL = os.getppid(), os.getpid(), 1  # processes that exist; the first two are a family
INTERFACE = ("cgroup.procs", "cgroup.subtree_control", "cgroup.type")
LIMIT_FILES = ("memory.max", "memory.swap.max", "memory.oom.group", "memory.events", "pids.max")


class FakeLinux:
    """The rules of cgroups(7) for groups that are folders under `scope`, which is the grader's."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.mkdir, self.rmdir, self.swap, self.born = os.mkdir, os.rmdir, True, []
        self.scope = folder / "scope"
        patch.setattr(os, "mkdir", self.make)
        patch.setattr(os, "rmdir", self.remove)
        patch.setattr(control_group, "_write", self.write)
        patch.setattr(control_group, "_own_group", self.own_group)
        patch.setattr(control_group, "REMOVE_SECONDS", 0)
        patch.setattr(ControlGroups, "_try_out", lambda groups: None)
        os.mkdir(self.scope)
        (self.scope / "cgroup.controllers").write_text("cpu memory pids\n")
        for process in (GRADER, ZYGOTES):
            self.write(self.scope / "cgroup.procs", str(process))

    def groups(self) -> dict[str, list[int]]:
        """The processes of each group."""
        return {path.parent.name: sorted(map(int, path.read_text().split())) for path in self.scope.rglob("*.procs")}

    def own_group(self) -> Path:
        return next(path.parent for path in self.scope.rglob("*.procs") if str(ZYGOTES) in path.read_text().split())

    def make(self, path, mode: int = 0o777, **options) -> None:
        self.mkdir(path, mode, **options)
        for name in INTERFACE:
            (Path(path) / name).write_text("")
        if "memory" in self.read(Path(path).parent / "cgroup.subtree_control"):
            for name in LIMIT_FILES:
                if self.swap or "swap" not in name:
                    (Path(path) / name).write_text("")

    def remove(self, path) -> None:
        if self.read(Path(path) / "cgroup.procs") or any(inner.is_dir() for inner in Path(path).iterdir()):
            raise OSError(errno.EBUSY, "Device or resource busy")
        for file in Path(path).iterdir():
            file.unlink()
        self.rmdir(path)

    def write(self, path: Path, text: str) -> None:
        if not path.exists():
            raise FileNotFoundError(path)
        if path.name == "cgroup.procs":
            for members in self.scope.rglob("cgroup.procs"):
                members.write_text("".join(f"{line}\n" for line in members.read_text().split() if line != text))
            path.write_text(path.read_text() + f"{text}\n")
            if self.born:
                self.write(self.scope / "cgroup.procs", self.born.pop())
        elif path.name == "cgroup.subtree_control" and text[0] == "+" and self.read(path.parent / "cgroup.procs"):
            raise OSError(errno.EBUSY, "Device or resource busy")
        else:
            path.write_text(text if text[0] != "-" else "")

    @staticmethod
    def read(path: Path) -> str:
        return path.read_text() if path.exists() else ""


@pytest.fixture
def linux(tmp_path, monkeypatch):
    return FakeLinux(tmp_path, monkeypatch)


def test_each_kernel_gets_a_group_with_its_limits_and_the_graders_processes_make_room(linux):
    groups = ControlGroups(GRADER)
    group = groups.create(memory=2**30, processes=64)
    kernels = f"distillab-{ZYGOTES}"
    assert linux.groups() == {
        "scope": [], "distillab-grader": sorted([GRADER, ZYGOTES]), kernels: [], group.path.name: []
    }  # fmt: skip
    assert group.path.parent.name == kernels
    limits = {name: (group.path / name).read_text() for name in LIMIT_FILES if name != "memory.events"}
    assert limits == {
        "memory.max": str(2**30), "memory.swap.max": "0", "memory.oom.group": "1", "pids.max": "64"
    }  # fmt: skip


def test_nothing_is_left_behind(linux):
    groups = ControlGroups(GRADER)
    groups.create(2**30, 64)
    groups.close()
    assert linux.groups() == {"scope": sorted([GRADER, ZYGOTES])}
    assert linux.read(linux.scope / "cgroup.subtree_control") == ""


def test_a_group_with_processes_in_it_stays_until_they_are_gone_and_is_said_once(linux, capsys):
    groups = ControlGroups(GRADER)
    path = groups.create(2**30, 64).path
    linux.write(path / "cgroup.procs", "4000000")
    groups.close()
    assert path.is_dir()
    assert capsys.readouterr().err.count(f"{path},") == 1
    linux.write(path / "cgroup.procs", "")
    (path / "cgroup.procs").write_text("")
    groups.close()
    assert linux.groups() == {"scope": sorted([GRADER, ZYGOTES])} and capsys.readouterr().err == ""


def test_two_zygotes_share_one_group_until_the_last_has_ended(linux, monkeypatch):
    first = ControlGroups(GRADER)
    monkeypatch.setattr(os, "getpid", lambda: 4000000)
    second = ControlGroups(GRADER)
    second.create(2**30, 64)
    first.close()
    assert sorted(linux.groups()) == sorted(["scope", "distillab-grader", "distillab-4000000", *_kernels(linux)])
    second.close()
    assert list(linux.groups()) == ["scope"]


def _kernels(linux: FakeLinux) -> list[str]:
    return [name for name in linux.groups() if name.startswith("kernel-")]


def test_a_process_that_is_born_meanwhile_is_moved_too(linux):
    linux.born = ["4000000"]
    ControlGroups(GRADER)
    assert linux.groups()["distillab-grader"] == sorted([GRADER, ZYGOTES, 4000000])


def test_without_swap_there_is_no_limit_on_it(linux):
    linux.swap = False
    path = ControlGroups(GRADER).create(2**30, 64).path
    assert not (path / "memory.swap.max").exists() and (path / "memory.max").read_text() == str(2**30)


def test_a_group_with_programs_of_others_in_it_is_left_alone(linux):
    linux.write(linux.scope / "cgroup.procs", str(SHELL))
    before = linux.groups()
    with pytest.raises(NoControlGroup, match="other programs run in"):
        ControlGroups(GRADER)
    assert linux.groups() == before


def test_what_systemd_calls_delegated_is_divided_whoever_is_in_it(linux, monkeypatch):
    linux.write(linux.scope / "cgroup.procs", str(SHELL))
    monkeypatch.setattr(os, "getxattr", lambda path, name: b"1")
    ControlGroups(GRADER)
    assert SHELL in linux.groups()["distillab-grader"]


def test_the_root_of_all_groups_keeps_its_processes(linux, monkeypatch):
    linux.write(linux.scope / "cgroup.procs", str(SHELL))
    (linux.scope / "cgroup.type").unlink()
    write = linux.write
    monkeypatch.setattr(
        control_group,
        "_write",
        lambda path, text: path.write_text(text) if "subtree" in path.name else write(path, text),
    )
    ControlGroups(GRADER).create(2**30, 64)
    assert "distillab-grader" not in linux.groups() and SHELL in linux.groups()["scope"]


def test_a_group_of_version_1_or_of_somebody_else_is_none(linux, monkeypatch):
    (linux.scope / "cgroup.controllers").write_text("hugetlb\n")
    with pytest.raises(NoControlGroup, match="cannot limit memory and pids here"):
        ControlGroups(GRADER)
    (linux.scope / "cgroup.controllers").write_text("memory pids\n")
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(NoControlGroup, match="is not delegated to this user"):
        ControlGroups(GRADER)
    assert list(linux.groups()) == ["scope"]
    assert ControlGroups.if_possible(GRADER) is None


@pytest.mark.parametrize(("kills", "ran_out"), [(0, False), (2, True)])
def test_linux_says_when_a_group_ran_out_of_memory(tmp_path, kills, ran_out):
    (tmp_path / "memory.events").write_text(f"low 0\nhigh 0\nmax 7\noom 3\noom_kill {kills}\noom_group_kill {kills}\n")
    with open(tmp_path / "memory.events") as events:
        assert ControlGroup(tmp_path, -1, events.fileno()).ran_out_of_memory() == ran_out


# ----------------------------------------------------------------------------------------------- where there are some


def protection() -> doctor.Protection:
    return next(item for item in doctor.protections() if item.name == "control groups")


@pytest.mark.sandbox
@pytest.mark.skipif(
    not protection().works, reason=f"no control group: {protection().detail}. {protection().consequence}"
)
def test_linux_ends_a_kernel_over_the_limit_of_its_group(kernel_name, tmp_path):
    """The group's limit is set far below the one that the supervisor knows of."""
    with StudentKernel(SANDBOX_KERNEL, tmp_path, LIMITS) as kernel:
        group = next(Path("/sys/fs/cgroup").rglob("kernel-*"))
        assert len((group / "cgroup.procs").read_text().split()) >= 2, "the kernel and its relay"
        (group / "memory.max").write_text(str(2**26))
        with pytest.raises(KernelDied) as death:
            kernel.run("kept = b'x' * 2**27", 60)
    assert death.value.verdict == "memory"
    ZYGOTE.stop()
    assert not list(Path("/sys/fs/cgroup").rglob("distillab-*"))
