"""What names say: whose a download is, which lab a file belongs to, and whether two spellings are one name.

Canvas and Moodle put the student's name and a number before what a student has called a file. Only the first such
prefix counts: what follows was named by the student.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

# Sources: Canvas's lib/content_zipper.rb; Moodle's mod/assign/locallib.php (before Moodle 4.1, a folder ends in `_`).
_CANVAS_USER = r"(?P<name>[^/]+?)_(?P<late>LATE_)?(?P<number>\d{1,20})"
CANVAS = re.compile(_CANVAS_USER + r"_(?P<attachment>\d{3,20})_(?P<rest>.+)")
CANVAS_TEXT = re.compile(_CANVAS_USER + r"_(?P<rest>(?:text|link)\.html)")
MOODLE = re.compile(r"(?P<name>[^_]+)_(?P<number>\d{1,20})_assignsubmission_[a-z]+(?:_(?P<rest>.*))?")

# What Jupyter, Canvas and browsers add to a name that is already taken.
COPY = re.compile(r"(?:-Copy\d++|-\d++| ?\(\d++\)){1,9}+")
_WORD = re.compile(r"\d+|[^\W\d_]+")
COPY_AT_THE_END = re.compile(rf"{COPY.pattern}$")
NOTEBOOK = ".ipynb"
HIDDEN = (".", "__")  # how the names of hidden files and folders begin, such as macOS's __MACOSX
LAB_WORDS = frozenset("lab labs labor assignment homework hw exercise sheet notebook part".split())

MAX_STUDENT = 128  # characters
MAX_STUDENT_BYTES = 200  # so that it fits into a file's name with something added
IN_STUDENT = frozenset(" '’.,_-@+")


@dataclass(frozen=True)
class DownloadName:
    """The name that an LMS gave to what it downloaded.

    Attributes:
        lms: "canvas" or "moodle".
        owner: the student's name as the LMS writes it here; Canvas runs last and first name together.
        number: Canvas's user id, or Moodle's participant number, which holds for one assignment.
        rest: what the student called the file; "" for a folder.
        attachment: Canvas's number of the file; a file that was handed in later has a higher one.
        is_late: whether Canvas says that it is late.
    """

    lms: str
    owner: str
    number: str
    rest: str
    attachment: int = 0
    is_late: bool = False


def download_name(name: str) -> DownloadName | None:
    """Return what the name of a file or folder says if Canvas or Moodle gave it, else None."""
    if found := MOODLE.fullmatch(name):
        return DownloadName("moodle", found["name"], found["number"], found["rest"] or "")
    if found := CANVAS.fullmatch(name) or CANVAS_TEXT.fullmatch(name):
        attachment, is_late = int(found.groupdict().get("attachment") or 0), bool(found["late"])
        return DownloadName("canvas", found["name"], found["number"], found["rest"], attachment, is_late)
    return None


def is_student_id(text: str) -> bool:
    """Return whether a text can be a student's id: a login, a number, an e-mail address, or a name in any script."""
    if not text or len(text) > MAX_STUDENT or len(text.encode("utf-8", "replace")) > MAX_STUDENT_BYTES:
        return False
    letters_and_digits = ("L", "M", "N")
    if unicodedata.category(text[0])[0] not in ("L", "N") or text[-1] in " .":
        return False
    return all(unicodedata.category(one)[0] in letters_and_digits or one in IN_STUDENT for one in text)


def same_id(text: str) -> str:
    """Return an id, a login or an e-mail address in the form in which two of them are compared."""
    return unicodedata.normalize("NFKC", text).strip().casefold()


def letters(text: str, accents: bool = True) -> str:
    """Return the letters and digits of a name, in the form in which two names are compared.

    Args:
        text: the name.
        accents: whether `ü` differs from `u`.
    """
    folded = text.casefold()
    spelled = unicodedata.normalize("NFKC", folded) if accents else unicodedata.normalize("NFKD", folded)
    return "".join(one for one in spelled if one.isalnum())


def is_notebook_name(name: str) -> bool:
    """Return whether a name is a notebook's, in upper or lower case, and not a hidden one."""
    return name.lower().endswith(NOTEBOOK) and not name.startswith(HIDDEN)


def without_copy(name: str) -> str:
    """Return the name of a notebook or folder without its ending and without the number of a copy."""
    stem = stem_of(name)
    return COPY_AT_THE_END.sub("", stem) or stem


def stem_of(name: str) -> str:
    """Return the name of a notebook or folder without its ending."""
    return (name[: -len(NOTEBOOK)] if name.lower().endswith(NOTEBOOK) else name).strip()


def lab_named(name: str, labs: Iterable[str]) -> str | None:
    """Return the one lab that a file or folder is named after; None if there is none, or more than one.

    `02_Loss.IPYNB`, `ann_02_loss_final.ipynb`, `Lab 2` and `lab2-loss (1).ipynb` are all named after `02_loss`.
    """
    labs = list(labs)
    for found in (_words(without_copy(name)), _words(stem_of(name))):  # the second for `lab-2`
        matching = [lab for lab in labs if _contains(found, _words(lab))] or [
            lab for lab in labs if _is_number_of(found, _words(lab))
        ]
        if matching:
            return matching[0] if len(matching) == 1 else None
    return None


def is_lab_folder(name: str, labs: Iterable[str]) -> str | None:
    """Return the lab whose name a folder has, apart from case and punctuation, or its number: `Lab 2`."""
    found = _words(name)
    matching = [lab for lab in labs if found == _words(lab) or (len(found) > 1 and _is_number_of(found, _words(lab)))]
    return matching[0] if len(matching) == 1 else None


def _words(name: str) -> list[str]:
    """Return the words and numbers of a name, in lower case and without leading zeros."""
    parts = _WORD.findall(unicodedata.normalize("NFKC", name).casefold())
    return [part.lstrip("0") or "0" if part.isdigit() else part for part in parts]


def _contains(words: list[str], lab: list[str]) -> bool:
    return any(words[start : start + len(lab)] == lab for start in range(len(words) - len(lab) + 1))


def _is_number_of(words: list[str], lab: list[str]) -> bool:
    """Return whether the words are no more than a lab's number, or “lab” and its number."""
    *before, number = words or [""]
    return bool(lab) and number == lab[0] and number.isdigit() and len(before) < 2 and set(before) <= LAB_WORDS
