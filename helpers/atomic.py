"""Write files and folders atomically: under a temporary name next to the target, then renamed onto it.

Readers see the old content or all of the new, even if the process is killed halfway.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replace_file(path: str | Path, *, shared: bool = False, private: bool = False) -> Iterator[Path]:
    """Yield a temporary path to write to; when the block ends without an error, that file replaces `path`.

    Creates the parent folder if needed. If the block raises, `path` stays as it was.

    Args:
        path: the file to replace; it need not exist.
        shared: several processes may write `path` at once, so each gets its own temporary file. Without it, the
            temporary name is fixed and the next write overwrites what a killed process left behind.
        private: only the owner may read the file (mode 0600), from its first byte on.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    process = f".{os.getpid()}" if shared else ""
    temporary = path.with_name(f"{path.name}{process}.part")
    try:
        if private:
            temporary.unlink(missing_ok=True)
            os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: str | Path, text: str, *, shared: bool = False, private: bool = False) -> None:
    """Write UTF-8 text to `path` atomically; see `replace_file`."""
    with replace_file(path, shared=shared, private=private) as temporary:
        temporary.write_text(text, encoding="utf-8")


@contextmanager
def new_folder(path: str | Path) -> Iterator[Path]:
    """Yield a temporary folder to fill; when the block ends without an error, it becomes `path`.

    Creates the parent folder if needed. If the block raises, the temporary folder is removed. Raises OSError if by
    then `path` is a file or a folder that is not empty.
    """
    path = Path(path)
    temporary = path.with_name(f"{path.name}.part")
    shutil.rmtree(temporary, ignore_errors=True)  # left behind by a process that was killed
    temporary.mkdir(parents=True)
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
