"""Tell from an error whether the sandbox refused something or a quota was used up.

The kernel reports errors as text, so this reads the texts of Linux, Python, torch and the Hugging Face client. A
student who raises such an error by hand gets the same verdict, which is worth no points either.
"""

from __future__ import annotations

import os
import re
from functools import cache

from helpers.grader.judging.error_words import MAX_MESSAGE_CHARACTERS

_MEMORY = re.compile(
    r"can't allocate memory|not enough memory|Cannot allocate memory|Unable to allocate", re.IGNORECASE
)
_NETWORK = re.compile(
    r"\[Errno (?:101|111|113|-2|-3|-5)\]|name resolution|Network is unreachable|couldn't connect to|offline mode"
    r"|HF_HUB_OFFLINE|LocalEntryNotFoundError|Max retries exceeded|URLError",
    re.IGNORECASE,
)
_FORBIDDEN = re.compile(r"\[Errno (?:1|13|30)\]|Permission denied|Read-only file system|Operation not permitted")
_HIDDEN = re.compile(r"\[Errno (?:2|20)\][^'\"\[]*+['\"]([^'\"]++)")
_QUOTAS = {
    re.compile(r"\[Errno (?:28|27|122)\]|No space left on device|File too large"): "the quota for files",
    re.compile(r"\[Errno 11\]|can't start new thread|Resource temporarily unavailable"): "the quota for processes",
    re.compile(r"\[Errno 24\]|Too many open files"): "the quota for open files",
}
SHARED_FOLDERS = ("/tmp", "/dev/shm")  # of which each notebook has its own
NO_NETWORK = "the sandbox has no network: grading runs on the offline tier, DISTILLAB_TIER=tiny"


def classify_error(kind: str, message: str, folder: str) -> tuple[str, str]:
    """Return the verdict on an error, "memory", "denied" or "error", and a note where there is more to say.

    Args:
        kind: the exception's name.
        message: its message.
        folder: where the notebook ran; the sandbox hides what is outside of it.
    """
    message = message[:MAX_MESSAGE_CHARACTERS]
    if kind == "MemoryError" or _MEMORY.search(message):
        return "memory", ""
    for pattern, quota in _QUOTAS.items():
        if pattern.search(message):
            return "error", f"{quota} was used up"
    if kind == "gaierror" or _NETWORK.search(message):
        return "denied", NO_NETWORK
    if kind == "PermissionError" or _FORBIDDEN.search(message):
        return "denied", "the sandbox does not allow this"
    if kind == "ProcessLookupError":
        return "denied", "the sandbox shows no process but the notebook's own"
    hidden = _HIDDEN.search(message)
    if hidden and not _belongs_to(hidden[1], folder):
        return "denied", "the sandbox shows no file but the notebook's own"
    return "error", ""


def _belongs_to(path: str, folder: str) -> bool:
    path, folder = os.path.normpath(os.path.join(folder, path)), os.path.normpath(folder)
    if path == folder or path.startswith(folder + "/"):
        return True
    # The notebook has a /tmp of its own. What is below a file or folder of the host's is something that it hides.
    for shared in SHARED_FOLDERS:
        if path.startswith(f"{shared}/"):
            return path.removeprefix(f"{shared}/").split("/")[0] not in names_on_host(shared)
    return False


@cache
def names_on_host(folder: str) -> frozenset[str]:
    """Return what is in a folder of the host, as it was when this was first asked."""
    try:
        return frozenset(os.listdir(folder))
    except OSError:
        return frozenset()
