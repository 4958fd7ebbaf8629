"""The root of a sandbox: all that a student's kernel can see of the file system.

It consists of a small file system in memory, of writable areas with a quota, and of read-only views of Python and its
libraries. Nothing of the course, of other students or of the grader is in it.
"""

from __future__ import annotations

import json
import os
import site
import stat
import sys
from pathlib import Path

from helpers.grader.sandbox import relay, syscalls
from helpers.grader.sandbox.launch_request import LaunchRequest
from helpers.paths import PACKAGE

NOBODY = 65534  # the user and the group that a sandbox runs as when the grader is root
SYSTEM_FOLDERS = ("/usr", "/bin", "/sbin", "/lib", "/lib64", "/lib32")
VISIBLE_IN_ETC = (
    "alternatives",
    "fonts",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "localtime",
    "mime.types",
    "ssl",
)
# Hidden although they are in a folder that is shown: nbgrader's exchange holds other students' submissions, a hub's
# settings hold secrets, and our solutions are for the student's own machine.
SOLUTIONS = str(PACKAGE / "assets" / "solutions")
HIDDEN_FOLDERS = ("/usr/local/share/nbgrader", "/usr/local/etc", SOLUTIONS, os.path.realpath(SOLUTIONS))
DEVICES = tuple(f"/dev/{name}" for name in ("null", "zero", "full", "random", "urandom"))
PASSWD = "root:x:0:0::/:/usr/sbin/nologin\nstudent:x:{0}:{0}::/tmp:/bin/sh\n"
HOSTS = "127.0.0.1 localhost\n"
MAX_FILES = 20_000  # files and folders in the writable areas: an empty one takes memory that no quota of bytes counts
CHUNK_BYTES = 2**20
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_SOURCE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_TARGET = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_HARDENED = syscalls.NOSUID | syscalls.NODEV


def readable_paths() -> list[str]:
    """Return what Python, its libraries and the labs are read from; of this project, `helpers` alone."""
    paths = [sys.base_prefix, sys.prefix, str(PACKAGE)]
    if site.ENABLE_USER_SITE:
        paths += [path for path in sys.path if path == site.getusersitepackages()]
    paths = list(dict.fromkeys(os.path.realpath(path) for path in paths) | dict.fromkeys(paths))
    visible = (*SYSTEM_FOLDERS, *paths)
    outermost = [path for path in paths if not any(_is_below(path, folder) for folder in visible)]
    return [path for path in outermost if path != "/" and os.path.exists(path)]


def _is_below(path: str, folder: str) -> bool:
    return path != folder and path.startswith(folder.rstrip("/") + "/")


def build_root(request: LaunchRequest, root: str) -> None:
    """Build the new root on top of the empty folder `root`, which stays empty for processes outside the sandbox.

    The calling process must be in its own mount namespace; see `isolation.leave_namespaces`.
    """
    owner = NOBODY if os.geteuid() == 0 else -1  # otherwise what is made here has the right owner from the start
    syscalls.mount("none", "/", flags=syscalls.RECURSIVE | syscalls.PRIVATE)
    syscalls.mount("tmpfs", root, "tmpfs", _HARDENED, "size=4m,mode=755")
    _add_writable_areas(request, root, owner)
    _add_system_views(root, owner)
    _add_devices(request.devices, root)
    os.makedirs(f"{root}/proc")  # mounted by `enter_root`
    _add_sockets(request, root, owner)
    syscalls.make_read_only(root, recursive=False)


def enter_root(root: str) -> None:
    """Make `root` this process's root. Only the first process of the new process namespace can mount /proc for it."""
    syscalls.mount("proc", f"{root}/proc", "proc", _HARDENED | syscalls.NOEXEC)
    syscalls.change_root(root)


def _add_writable_areas(request: LaunchRequest, root: str, owner: int) -> None:
    """Add /tmp, /dev/shm and a copy of the working folder: parts of one file system, so that one quota counts all."""
    storage = f"{root}/writable"
    os.makedirs(storage)
    syscalls.mount("tmpfs", storage, "tmpfs", _HARDENED, f"size={request.files},nr_inodes={MAX_FILES},mode=755")
    os.makedirs(f"{storage}/tmp")
    os.makedirs(f"{storage}/shared")
    os.makedirs(f"{storage}/folder")
    copy_folder(request.folder, f"{storage}/folder", owner)
    for name, path, mode in (
        ("tmp", "/tmp", 0o1777),
        ("shared", "/dev/shm", 0o1777),
        ("folder", request.folder, 0o700),
    ):
        source = f"{storage}/{name}"
        os.chown(source, owner, owner, follow_symlinks=False)
        os.chmod(source, mode)
        os.makedirs(root + path, exist_ok=True)
        syscalls.mount(source, root + path, flags=syscalls.BIND)
    syscalls.detach(storage)
    os.rmdir(storage)


def _add_system_views(root: str, owner: int) -> None:
    """Show Python, its libraries and the system's programs read-only, and add the few files of /etc that they need."""
    for path in SYSTEM_FOLDERS:
        if os.path.islink(path):
            os.symlink(os.readlink(path), root + path)
        elif os.path.isdir(path):
            _show(path, root)
    for path in (*readable_paths(), *(f"/etc/{name}" for name in VISIBLE_IN_ETC)):
        if os.path.exists(path):
            _show(path, root)
    for path in dict.fromkeys(HIDDEN_FOLDERS):
        if os.path.isdir(root + path):
            syscalls.mount("tmpfs", root + path, "tmpfs", _HARDENED | syscalls.NOEXEC, "size=4k,mode=555")
            syscalls.make_read_only(root + path)
    _write(f"{root}/etc/passwd", PASSWD.format(os.geteuid() if owner == -1 else owner))
    _write(f"{root}/etc/hosts", HOSTS)


def _add_devices(devices: list[str], root: str) -> None:
    """Show the devices that every program expects and those requested, and add private terminals."""
    for path in (*DEVICES, *devices):
        _show(path, root, read_only=False)
    os.symlink("/proc/self/fd", f"{root}/dev/fd")
    os.makedirs(f"{root}/dev/pts")  # a cell that starts with ! runs its command in a terminal
    syscalls.mount("devpts", f"{root}/dev/pts", "devpts", syscalls.NOSUID, "newinstance,ptmxmode=0666,mode=620")
    os.symlink("pts/ptmx", f"{root}/dev/ptmx")


def _add_sockets(request: LaunchRequest, root: str, owner: int) -> None:
    """Add a small file system for the kernel's sockets with the connection file: the host's, or the relay's own.

    A view of the host's folder would let the student fill the host's disk.
    """
    target = root + request.sockets
    os.makedirs(target, exist_ok=True)
    syscalls.mount("tmpfs", target, "tmpfs", _HARDENED, "size=1m,nr_inodes=64,mode=700")
    os.chmod(target, 0o700)
    if request.wire:
        _write(root + relay.CONNECTION_FILE, json.dumps(relay.CONNECTION))
        os.chown(root + relay.CONNECTION_FILE, owner, owner, follow_symlinks=False)
    else:
        copy_folder(request.sockets, target, owner)
    os.chown(target, owner, owner, follow_symlinks=False)


def copy_folder(source: str, target: str, owner: int) -> None:
    """Copy the contents of a folder: files, folders and links, which are copied and never followed.

    Everything goes through file descriptors, so that whoever exchanges a file for a link in the meantime gains nothing.

    Args:
        source: The folder. What is neither a file, a folder nor a link in it is left out.
        target: An existing folder.
        owner: The user and group of the copies; -1 leaves them as they are made.
    """
    source_handle, target_handle = os.open(source, _FOLDER), os.open(target, _FOLDER)
    try:
        _copy_entries(source_handle, target_handle, owner)
    finally:
        os.close(source_handle)
        os.close(target_handle)


def _copy_entries(source: int, target: int, owner: int) -> None:
    for name in os.listdir(source):
        mode = os.stat(name, dir_fd=source, follow_symlinks=False).st_mode
        if stat.S_ISLNK(mode):
            os.symlink(os.readlink(name, dir_fd=source), name, dir_fd=target)
            os.chown(name, owner, owner, dir_fd=target, follow_symlinks=False)
        elif stat.S_ISDIR(mode):
            os.mkdir(name, 0o700, dir_fd=target)
            _copy_open(name, _FOLDER, _FOLDER, (source, target, owner))
        elif stat.S_ISREG(mode):
            _copy_open(name, _SOURCE, _TARGET, (source, target, owner))


def _copy_open(name: str, source_flags: int, target_flags: int, place: tuple[int, int, int]) -> None:
    """Copy a file or folder whose kind is settled by the flags that it is opened with, with its mode and time."""
    source_folder, target_folder, owner = place
    source = os.open(name, source_flags, dir_fd=source_folder)
    target = os.open(name, target_flags, 0o600, dir_fd=target_folder)
    try:
        status = os.fstat(source)
        if stat.S_ISDIR(status.st_mode):
            _copy_entries(source, target, owner)
        else:
            while os.sendfile(target, source, None, CHUNK_BYTES):
                pass
        os.fchown(target, owner, owner)
        os.fchmod(target, stat.S_IMODE(status.st_mode) & 0o777)
        os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))
    finally:
        os.close(source)
        os.close(target)


def _show(path: str, root: str, read_only: bool = True) -> None:
    """Show a file or folder of the host in the new root, at the same path."""
    target = root + path
    if os.path.isdir(path):
        os.makedirs(target, exist_ok=True)
    else:
        _write(target, "")
    syscalls.mount(os.path.realpath(path), target, flags=syscalls.BIND | syscalls.RECURSIVE)
    if read_only:
        syscalls.make_read_only(target)


def _write(path: str, text: str) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    Path(path).write_text(text, encoding="utf-8")
