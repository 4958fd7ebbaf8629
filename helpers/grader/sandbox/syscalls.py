"""The few Linux system calls that the sandbox needs and Python's os module lacks.

Each raises OSError with the call's name if the kernel refuses it.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from dataclasses import dataclass

# Flags of unshare(2).
NEW_MOUNTS = 0x00020000
NEW_UTS = 0x04000000
NEW_IPC = 0x08000000
NEW_USER = 0x10000000
NEW_PIDS = 0x20000000
NEW_NET = 0x40000000
# Flags of mount(2), then attributes of mount_setattr(2).
NOSUID, NODEV, NOEXEC, BIND, RECURSIVE, PRIVATE = 0x2, 0x4, 0x8, 0x1000, 0x4000, 0x40000
READ_ONLY_ATTRIBUTE, NOSUID_ATTRIBUTE = 0x1, 0x2

# Landlock's rights on files. See the kernel's Documentation/userspace-api/landlock.rst.
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR, _TRUNCATE, _IOCTL = 1 << 0, 1 << 1, 1 << 2, 1 << 3, 1 << 14, 1 << 15
_FILE_RIGHTS = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL
_RIGHTS_BY_ABI = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}  # the number of file rights that each version knows
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF, _MOUNT_SETATTR = 444, 445, 446, 442

_libc = ctypes.CDLL(None, use_errno=True)


def _checked(result: int, call: str) -> int:
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{call}: {os.strerror(error)}")
    return result


def _path(path: str | None) -> bytes | None:
    return None if path is None else os.fsencode(path)


def unshare(flags: int) -> None:
    """Move this process into new namespaces of the kinds in `flags` (unshare(2))."""
    _checked(_libc.unshare(flags), "unshare")


def mount(source: str | None, target: str, kind: str | None = None, flags: int = 0, options: str = "") -> None:
    """Mount a file system, or bind one path to another (mount(2))."""
    result = _libc.mount(
        _path(source), _path(target), kind and kind.encode(), ctypes.c_ulong(flags), options.encode() or None
    )
    _checked(result, f"mount {target}")


def make_read_only(path: str, recursive: bool = True) -> None:
    """Make a mount read-only, with or without the mounts below it (mount_setattr(2), Linux 5.12)."""
    attributes = struct.pack("QQQQ", READ_ONLY_ATTRIBUTE | NOSUID_ATTRIBUTE, 0, 0, 0)
    at_cwd, flags = -100, 0x8000 if recursive else 0
    result = _libc.syscall(_MOUNT_SETATTR, at_cwd, _path(path), flags, attributes, len(attributes))
    _checked(result, f"mount_setattr {path}")


def make_open_mount_read_only(mount: int) -> None:
    """Make the mount read-only whose root is open as `mount`, wherever it has been moved to."""
    attributes, empty_path = struct.pack("QQQQ", READ_ONLY_ATTRIBUTE, 0, 0, 0), 0x1000
    result = _libc.syscall(_MOUNT_SETATTR, mount, b"", empty_path, attributes, len(attributes))
    _checked(result, "mount_setattr")


def detach(path: str) -> None:
    """Unmount a path lazily; what was bound from it to other paths stays (umount2(2) with MNT_DETACH)."""
    _checked(_libc.umount2(_path(path), 2), f"umount {path}")


def change_root(path: str) -> None:
    """Make a mounted folder the root and detach the old root (pivot_root(2))."""
    os.chdir(path)
    _checked(_libc.pivot_root(b".", b"."), "pivot_root")
    detach(".")
    os.chdir("/")


def _prctl(option: int, value: int, name: str) -> None:
    _checked(_libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0), f"prctl {name}")


def set_dumpable(dumpable: bool) -> None:
    """Allow or forbid processes of the same user to inspect this one (PR_SET_DUMPABLE)."""
    _prctl(4, int(dumpable), "PR_SET_DUMPABLE")


def become_subreaper() -> None:
    """Become the parent of orphaned descendants (PR_SET_CHILD_SUBREAPER)."""
    _prctl(36, 1, "PR_SET_CHILD_SUBREAPER")


def no_new_privileges() -> None:
    """Keep every program started from here from gaining rights, set-uid or not (PR_SET_NO_NEW_PRIVS)."""
    _prctl(38, 1, "PR_SET_NO_NEW_PRIVS")


def drop_capabilities() -> None:
    """Drop every capability of this process and of what it starts (capset(2), PR_CAPBSET_DROP)."""
    for capability in range(64):
        if _libc.prctl(24, ctypes.c_ulong(capability), 0, 0, 0) < 0:
            break  # the last capability was passed, or there is no right to drop any, and so none to drop
    _checked(_libc.capset(struct.pack("Ii", 0x20080522, 0), bytes(24)), "capset")


@dataclass(frozen=True)
class _CallNumbers:
    machine: int  # its number in seccomp
    refused: tuple[int, ...]
    setsockopt: int


# Calls whose memory belongs to no process and to no file system, so that no limit counts it: memfd_create,
# memfd_secret, shmget, semget, msgget, mq_open, add_key, keyctl. And calls that no lab needs and that attacks on the
# kernel are built from: userfaultfd, io_uring_setup, io_uring_enter, io_uring_register, bpf, perf_event_open,
# modify_ldt (on x86 only).
_CALLS = {
    "x86_64": _CallNumbers(
        0xC000003E, (319, 447, 29, 64, 68, 240, 248, 250, 323, 425, 426, 427, 321, 298, 154), setsockopt=54
    ),
    "aarch64": _CallNumbers(
        0xC00000B7, (279, 447, 194, 190, 186, 180, 217, 219, 282, 425, 426, 427, 280, 241), setsockopt=208
    ),
}
_X32_BIT = 0x40000000
_SOL_SOCKET, _SO_SNDBUF, _SO_RCVBUF = 1, 7, 8
_ALLOW, _REFUSE, _IGNORE = 0x7FFF0000, 0x00050000 | errno.EPERM, 0x00050000  # answers; the last reports success


def refuse_dangerous_calls() -> bool:
    """Have the kernel refuse the calls above to this process and to what it starts (seccomp(2)).

    Calls in another machine's numbering (32-bit programs, x32) are refused altogether. Requests for larger socket
    buffers have no effect, since no limit counts these.

    Returns:
        False if the calls of this machine are not known here, so that nothing was done.
    """
    calls = _CALLS.get(os.uname().machine)
    if calls is None:
        return False
    instructions = ctypes.create_string_buffer(_filter_program(calls))
    length = len(instructions) // 8
    header = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", length, ctypes.addressof(instructions)))
    no_new_privileges()
    _checked(_libc.prctl(22, ctypes.c_ulong(2), header, 0, 0), "prctl PR_SET_SECCOMP")
    return True


def _filter_program(calls: _CallNumbers) -> bytes:
    """Return the filter as classic BPF: (instruction, steps to skip if true, if false, operand) each."""
    load, equal, at_least, answer = 0x20, 0x15, 0x35, 0x06
    number, machine, second_argument, third_argument = 0, 4, 24, 32  # offsets of the lower halves, on little endian
    refused = [(at_least, _X32_BIT), *((equal, call) for call in calls.refused)]
    buffers = [
        (equal, 0, 5, calls.setsockopt),
        (load, 0, 0, second_argument),
        (equal, 0, 3, _SOL_SOCKET),
        (load, 0, 0, third_argument),
        (equal, 3, 0, _SO_SNDBUF),
        (equal, 2, 0, _SO_RCVBUF),
    ]
    answers = [(answer, 0, 0, _ALLOW), (answer, 0, 0, _REFUSE), (answer, 0, 0, _IGNORE)]
    to_refusal = len(refused) + len(buffers) + 1  # from the first comparison with a refused call
    program = [(load, 0, 0, machine), (equal, 0, to_refusal + 1, calls.machine), (load, 0, 0, number)]
    program += [(code, to_refusal - index - 1, 0, value) for index, (code, value) in enumerate(refused)]
    return b"".join(struct.pack("HBBI", *step) for step in [*program, *buffers, *answers])


def landlock_version() -> int:
    """Return the version of Landlock that this kernel has, 0 if it has none."""
    return max(0, _libc.syscall(_CREATE_RULESET, None, 0, 1))


def landlock(readable: list[str], writable: list[str]) -> None:
    """Restrict this thread and what it starts to these paths; from version 6 on, also from signalling other processes.

    Paths that do not exist are left out. The network is left to its namespace.
    """
    version = landlock_version()
    if not version:
        raise OSError("landlock: this kernel does not have it")
    files = (1 << _RIGHTS_BY_ABI.get(version, 16)) - 1
    attributes = struct.pack("QQQ", files, 0, 3 if version >= 6 else 0)
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    ruleset = _checked(_libc.syscall(_CREATE_RULESET, attributes, size, 0), "landlock_create_ruleset")
    reading = _EXECUTE | _READ_FILE | _READ_DIR
    for paths, rights in ((readable, reading), (writable, files)):
        for path in paths:
            if not os.path.exists(path):
                continue
            allowed = rights & files & (-1 if os.path.isdir(path) else _FILE_RIGHTS)
            handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
            rule = struct.pack("=Qi", allowed, handle)
            _checked(_libc.syscall(_ADD_RULE, ruleset, 1, rule, 0), f"landlock_add_rule {path}")
            os.close(handle)
    no_new_privileges()
    _checked(_libc.syscall(_RESTRICT_SELF, ruleset, 0), "landlock_restrict_self")
    os.close(ruleset)
