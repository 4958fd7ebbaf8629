"""Copies the files that a notebook wrote beside itself out of its sandbox, after the kernel has ended.

Everything in the sandbox's folder is hostile. So the copy starts when no process of the sandbox is left that could
exchange a file in the meantime; it goes from one folder to the next through file descriptors that follow no link, on
both sides; and it takes the contents of regular files alone, never their mode, owner or times. It creates files under
names that did not exist when the kernel started, and overwrites nothing.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Set
from dataclasses import dataclass, field

MAX_DEPTH = 8  # folders below the working folder
MAX_REASONS = 20  # files left out that the log names
CHUNK_BYTES = 2**20
# Letters and digits of any alphabet, and few signs: nothing hidden, no option of a command, no control character.
ALLOWED_NAME = re.compile(r"\w(?:[\w .,+@()=-]*[\w)])?")
# Jupyter's programs execute files such as nbgrader_config.py in the folder that they are started in.
JUPYTER_CONFIGURATION = re.compile(r"(?:jupyter|nbgrader|ipython|voila)\w*\.(?:py|json|d)", re.IGNORECASE)
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_SOURCE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_TARGET = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass
class CopyReport:
    """What was copied, as paths below the working folder, and the first of what was left out, with reasons."""

    copied: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    total_left_out: int = 0

    def leave_out(self, path: str, reason: str) -> None:
        """Record that something stays in the sandbox."""
        self.total_left_out += 1
        if len(self.left_out) < MAX_REASONS:
            self.left_out.append(f"{ascii(path)}: {reason}")


class _LimitReached(Exception):
    """No further file may be copied."""


def paths_below(folder: str) -> frozenset[str]:
    """Return the relative paths of all files and folders below a folder of the host, without following links."""
    return frozenset(
        os.path.relpath(os.path.join(top, name), folder)
        for top, folders, files in os.walk(folder)
        for name in (*folders, *files)
    )


def copy_new_files(source: int, target: str, existing: Set[str], max_bytes: int, max_files: int) -> CopyReport:
    """Copy the new files of a sandbox's working folder to the folder of the host that it stands for.

    Must run after the last process of the sandbox has ended. Names that begin with a dot stay behind silently: they are
    caches of IPython and others.

    Args:
        source: A handle on the sandbox's folder, open for reading.
        target: The folder of the host.
        existing: The relative paths that the folder had when the kernel started. A file of these is never copied.
        max_bytes: Limit for the sizes of all copied files together; a file that would pass it is left out.
        max_files: Limit for the number of new files and folders together; the rest is left out.

    Returns:
        What was copied and what was left out.

    Raises:
        OSError: The folder of the host cannot be opened, or its file system is full.
    """
    folder = os.open(target, _FOLDER)
    try:
        copier = _Copier(folder, os.fstat(source).st_dev, existing, max_bytes, max_files)
        try:
            copier.copy_folder(source, ())
        except _LimitReached:
            copier.report.leave_out("", f"the rest, since a notebook may leave {max_files} files")
        return copier.report
    finally:
        os.close(folder)


class _Copier:
    def __init__(self, target: int, device: int, existing: Set[str], max_bytes: int, max_files: int) -> None:
        self.target, self.device, self.existing = target, device, existing
        self.bytes_left, self.files_left = max_bytes, max_files
        self.report = CopyReport()

    def copy_folder(self, source: int, parents: tuple[str, ...]) -> None:
        for name in sorted(os.listdir(source)):
            path = "/".join((*parents, name))
            if name.startswith("."):
                continue
            try:
                status = os.stat(name, dir_fd=source, follow_symlinks=False)
                if stat.S_ISDIR(status.st_mode):
                    self._enter_folder(source, name, parents, status)
                elif path not in self.existing:
                    self._copy_file(source, name, parents, status)
            except _Unsuitable as reason:
                self.report.leave_out(path, str(reason))

    def _enter_folder(self, source: int, name: str, parents: tuple[str, ...], status: os.stat_result) -> None:
        self._check_name(name, status)
        if len(parents) == MAX_DEPTH:
            raise _Unsuitable(f"more than {MAX_DEPTH} folders deep")
        folder = _open(name, _FOLDER, source)
        try:
            self.copy_folder(folder, (*parents, name))
        finally:
            os.close(folder)

    def _copy_file(self, source: int, name: str, parents: tuple[str, ...], status: os.stat_result) -> None:
        self._check_name(name, status)
        self._check_file(status)  # before it is opened: opening a pipe or a device may have effects
        file = _open(name, _SOURCE, source)
        try:
            size = self._check_file(os.fstat(file))
            folder = self._open_target_folder(parents)
            try:
                self._take_slot()
                self._write(file, size, folder, name)
            finally:
                os.close(folder)
        finally:
            os.close(file)
        self.bytes_left -= size
        self.report.copied.append("/".join((*parents, name)))

    def _check_name(self, name: str, status: os.stat_result) -> None:
        if status.st_dev != self.device:
            raise _Unsuitable("on another file system")
        if not ALLOWED_NAME.fullmatch(name):
            raise _Unsuitable("a name with characters that are not allowed")
        if JUPYTER_CONFIGURATION.fullmatch(name):
            raise _Unsuitable("Jupyter would read it as configuration")

    def _check_file(self, status: os.stat_result) -> int:
        """Return the file's size in bytes. Raises _Unsuitable unless it is plain data within the limit."""
        if not stat.S_ISREG(status.st_mode):
            raise _Unsuitable("not a regular file")
        if status.st_nlink != 1:
            raise _Unsuitable("a file with several hard links")
        if status.st_size > self.bytes_left:
            raise _Unsuitable(f"{status.st_size} bytes, where {self.bytes_left} are left of the limit")
        return status.st_size

    def _open_target_folder(self, parents: tuple[str, ...]) -> int:
        """Open a folder of the host, creating it and those above it as necessary."""
        folder = os.dup(self.target)
        for name in parents:
            try:
                if not _exists(name, folder):
                    self._take_slot()
                    os.mkdir(name, dir_fd=folder)
                deeper = _open(name, _FOLDER, folder)
            finally:
                os.close(folder)
            folder = deeper
        return folder

    def _take_slot(self) -> None:
        if self.files_left == 0:
            raise _LimitReached
        self.files_left -= 1

    def _write(self, source: int, size: int, folder: int, name: str) -> None:
        try:
            target = os.open(name, _TARGET, 0o666, dir_fd=folder)  # less the umask, never executable
        except FileExistsError:
            raise _Unsuitable("the folder has a file of this name by now") from None
        try:
            with open(target, "wb") as file:
                while size > 0 and (chunk := os.read(source, min(size, CHUNK_BYTES))):
                    file.write(chunk)
                    size -= len(chunk)
        except OSError:
            os.unlink(name, dir_fd=folder)
            raise


class _Unsuitable(Exception):
    """A file or folder stays in the sandbox, for the reason given."""


def _open(name: str, flags: int, folder: int) -> int:
    """Open a name in an open folder. Raises _Unsuitable where it cannot be opened, as a link cannot."""
    try:
        return os.open(name, flags, dir_fd=folder)
    except OSError as error:
        raise _Unsuitable(f"cannot be opened ({error.strerror})") from None


def _exists(name: str, folder: int) -> bool:
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True
