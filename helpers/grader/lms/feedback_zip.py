"""One archive with everyone's feedback, under the names by which Canvas and Moodle give it back to students.

Canvas (assignment → Upload Submissions) reads the first two numbers in a file's name: user and attachment, as in its
own download. Moodle (assignment → Upload multiple feedback files in a zip) reads the name and participant number of a
folder, likewise; the plug-in “Feedback files” has to be on. Sources: Canvas's `app/models/assignment.rb`, Moodle's
`mod/assign/feedback/file/importziplib.php`.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

from helpers.atomic import replace_file
from helpers.grader.errors import GraderError
from helpers.grader.intake.names import DownloadName, download_name

DATE = (2000, 1, 1, 0, 0, 0)  # of every file, so that the same feedback makes the same archive


def write_feedback_zip(output: Path, lab: str, lms: str, handed_in: Mapping[str, str], target: Path) -> list[str]:
    """Write the archive and return the students who are not in it, because the LMS did not name their work.

    Args:
        output: the folder that `grade` wrote to.
        lab: the lab.
        lms: "canvas" or "moodle".
        handed_in: the names under which the lab was handed in, by student.
        target: the archive.

    Raises:
        GraderError: nothing was handed in through this LMS.
    """
    pages, left_out = {}, []
    for student, name in sorted(handed_in.items()):
        page = output / "feedback" / student / lab / f"{lab}.html"
        download = download_name(name.split("/")[0])
        if download is None or download.lms != lms or not page.is_file():
            left_out.append(student)
        else:
            pages[_name_in_zip(name, download, lab)] = page
    if not pages:
        raise GraderError(
            f"Nothing of {lab} was handed in through {lms.title()}. Grade the download itself (--submissions): its "
            "names say whose feedback is whose."
        )
    with replace_file(target) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, page in pages.items():
            archive.writestr(zipfile.ZipInfo(name, DATE), page.read_bytes(), zipfile.ZIP_DEFLATED)
    return left_out


def _name_in_zip(name: str, download: DownloadName, lab: str) -> str:
    if download.lms == "moodle":
        return f"{download.owner}_{download.number}_assignsubmission_file_/{lab}.html"
    own = name.split("/")[0]
    return own[: len(own) - len(download.rest)] + f"{lab}_feedback.html"
