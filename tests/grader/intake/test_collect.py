"""What is handed in: good layouts are found, forbidden forms refused with a reason, unreadable notebooks explained."""

import json
import os
import stat
import zipfile

import nbformat
import pytest

from helpers.grader.errors import GraderError, Refused
from helpers.grader.intake.collect import collect
from helpers.grader.intake.extra_files import MAX_FILE_BYTES, copy_extra_files
from helpers.grader.intake.notebook import read_notebook
from helpers.grader.intake.submission import Submission
from helpers.grader.intake.timestamp import read_timestamp
from helpers.grader.judging.alignment import align
from helpers.grader.limits import Limits
from helpers.grader.notes import Note, NoteCode
from helpers.grader.run.cluster import pack
from tests.conftest import AVERAGE, DOUBLE

LABS = ["00_mini", "01_other"]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "in").mkdir()
    return tmp_path / "in"


def put(path, content="{}"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def changed(path, seconds):
    os.utime(path, (seconds, seconds))
    return path


def zipped(path, *members, kind=stat.S_IFREG, method=zipfile.ZIP_STORED):
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members:
            info = zipfile.ZipInfo(name)
            info.compress_type = method
            info.external_attr = (kind | 0o644) << 16
            archive.writestr(info, content)


def found_in(*arguments, **options):
    collected = collect(*arguments, **options)
    return collected.submissions, collected.remarks


def taken(folder, tmp_path):
    submissions, remarks = found_in(folder, LABS, tmp_path / "scratch")
    return {(entry.student, entry.lab): entry for entry in submissions}, remarks


def test_folders_and_archives_are_found(folder, tmp_path):
    put(folder / "ada" / "00_mini" / "00_mini.ipynb")
    put(folder / "ada" / "01_other" / "01_other.ipynb")
    zipped(folder / "ben.zip", ("00_mini/00_mini.ipynb", "{}"))
    zipped(folder / "cem.zip", ("cem/00_mini/00_mini.ipynb", "{}"))
    found, remarks = taken(folder, tmp_path)
    assert sorted(found) == [("ada", "00_mini"), ("ada", "01_other"), ("ben", "00_mini"), ("cem", "00_mini")]
    assert all(entry.path.is_file() and not entry.refusal for entry in found.values()) and not remarks


def test_loose_wins_over_zipped_with_a_note(folder, tmp_path):
    put(folder / "ada" / "00_mini" / "00_mini.ipynb", '{"loose": 1}')
    zipped(folder / "ada.zip", ("00_mini/00_mini.ipynb", "{}"), ("01_other/01_other.ipynb", "{}"))
    found, _ = taken(folder, tmp_path)
    assert "loose" in found["ada", "00_mini"].path.read_text() and "archive" in found["ada", "00_mini"].notes[0].text
    assert ("ada", "01_other") in found


def test_a_readable_archive_stands_in_for_a_loose_form_that_is_refused(folder, tmp_path):
    put(folder / "ada" / "00_mini" / "draft.ipynb")
    put(folder / "ada" / "00_mini" / "final.ipynb")
    zipped(folder / "ada.zip", ("00_mini/00_mini.ipynb", '{"zipped": 1}'))
    submissions, _ = found_in(folder, LABS, tmp_path / "scratch")
    (only,) = submissions
    assert "zipped" in only.path.read_text() and not only.refusal and "and 2 others" in only.notes[0].text


def test_one_notebook_under_another_name_is_taken(folder, tmp_path):
    put(folder / "ada" / "00_mini" / "my lab (1).ipynb")
    found, _ = taken(folder, tmp_path)
    assert found["ada", "00_mini"].notes == [Note.of(NoteCode.OTHER_FILE_NAME, name="my lab (1).ipynb")]


def test_two_under_other_names_are_not(folder, tmp_path):
    put(folder / "ada" / "00_mini" / "a.ipynb")
    put(folder / "ada" / "00_mini" / "b.ipynb")
    found, _ = taken(folder, tmp_path)
    assert "no 00_mini.ipynb in the folder, and 2 others" in found["ada", "00_mini"].refusal


def test_a_notebook_outside_its_labs_folder_is_taken_with_a_note(folder, tmp_path):
    put(folder / "ada" / "00_mini.ipynb")
    put(folder / "ada" / "01_other-1.ipynb")  # as Canvas calls a second try
    zipped(folder / "ben.zip", ("00_mini.ipynb", "{}"))
    zipped(folder / "cem.zip", ("my homework/00_mini.ipynb", "{}"))
    found, remarks = taken(folder, tmp_path)
    assert [(place, entry.path.name) for place, entry in found.items()] == [
        (("ada", "00_mini"), "00_mini.ipynb"),
        (("ada", "01_other"), "01_other-1.ipynb"),
        (("ben", "00_mini"), "00_mini.ipynb"),
        (("cem", "00_mini"), "00_mini.ipynb"),
    ]
    assert all("outside the lab's folder" in entry.notes[0].text for entry in found.values()) and not remarks


def test_the_labs_folder_wins_over_what_lies_outside_and_of_copies_the_latest_counts(folder, tmp_path):
    put(folder / "ada" / "00_mini" / "00_mini.ipynb")
    put(folder / "ada" / "00_mini.ipynb")
    changed(put(folder / "ben" / "00_mini.ipynb"), 100)
    changed(put(folder / "ben" / "00_mini (2).ipynb"), 200)
    changed(put(folder / "cem" / "00_mini.ipynb"), 300)
    changed(put(folder / "cem" / "00_mini-1.ipynb"), 200)
    changed(put(folder / "dee" / "00_mini" / "00_mini.ipynb"), 100)
    changed(put(folder / "dee" / "00_mini" / "00_mini (1).ipynb"), 102)  # unpacked in the same moment
    found, remarks = taken(folder, tmp_path)
    assert found["ada", "00_mini"].path.parent.name == "00_mini" and "ada/00_mini.ipynb" in remarks[0]
    names = {who: found[who, "00_mini"].path.name for who in ("ben", "cem", "dee")}
    assert names == {"ben": "00_mini (2).ipynb", "cem": "00_mini.ipynb", "dee": "00_mini.ipynb"}
    left_aside = {who: found[who, "00_mini"].notes[-1].text for who in names}
    assert left_aside == {
        "ben": "handed in more than once: the latest counts, and 00_mini.ipynb was left aside",
        "cem": "handed in more than once: the latest counts, and 00_mini-1.ipynb was left aside",
        "dee": "handed in more than once: the latest counts, and 00_mini (1).ipynb was left aside",
    }


def test_whoever_handed_in_no_lab_appears_with_the_reason(folder, tmp_path):
    zipped(folder / "ada.zip", ("essay.pdf", "x"))
    put(folder / "ben" / "homework.ipynb")
    put(folder / "cem" / "09_none" / "09_none.ipynb")
    put(folder / "notes" / "readme.txt")
    put(folder / "dua" / "00_mini" / "00_mini.ipynb")
    found, remarks = taken(folder, tmp_path)
    assert sorted(found) == [("ada", ""), ("ben", ""), ("cem", ""), ("dua", "00_mini")]
    assert "found essay.pdf" in found["ada", ""].refusal and "<lab>/<lab>.ipynb" in found["ada", ""].refusal


def test_who_handed_in_another_lab_than_the_one_to_grade_is_not_refused(folder, tmp_path):
    zipped(folder / "ada.zip", ("01_other/01_other.ipynb", "{}"))
    put(folder / "ben" / "01_other.ipynb")
    put(folder / "dua" / "00_mini" / "00_mini.ipynb")
    submissions, _ = found_in(folder, ["00_mini"], tmp_path / "scratch", known=LABS)
    assert [entry.student for entry in submissions] == ["dua"]


def test_files_and_unknown_labs_are_remarked(folder, tmp_path):
    put(folder / "ada" / "00_mini" / "00_mini.ipynb")
    put(folder / "ada" / "09_none" / "09_none.ipynb")
    put(folder / "ada" / "scratch.ipynb")
    put(folder / "notes.txt")
    found, remarks = taken(folder, tmp_path)
    assert list(found) == [("ada", "00_mini")] and len(remarks) == 3


def test_moodles_folders_are_taken_under_the_participants_number(folder, tmp_path):
    put(folder / "Ann Lee_123_assignsubmission_file_" / "00_mini.ipynb")
    put(folder / "Jörg Ö_45_assignsubmission_file" / "00_mini" / "00_mini.ipynb")
    zipped(folder / "Bo_6_assignsubmission_file_x_7_assignsubmission_file_.zip", ("00_mini.ipynb", "{}"))
    zipped(folder / "Bo_6_assignsubmission_file_y.zip", ("01_other.ipynb", "{}"))
    zipped(folder / "Bo_6_assignsubmission_file_z.zip", ("essay.pdf", "{}"))
    put(folder / "Eve_123_assignsubmission_file_" / "00_mini.ipynb")
    submissions, _ = found_in(folder, LABS, tmp_path / "scratch")
    found = {(entry.student, entry.lab): entry for entry in submissions if not entry.refusal}
    assert sorted(found) == [("123", "00_mini"), ("45", "00_mini"), ("6", "00_mini"), ("6", "01_other")]
    assert all(entry.path.is_file() for entry in found.values())
    note = "Moodle's participant 123: Ann Lee_123_assignsubmission_file_"
    assert [one.text for one in found["123", "00_mini"].notes] == [note]
    refused = {entry.student: entry.refusal for entry in submissions if entry.refusal}
    assert list(refused) == ["123"] and "another download of 123" in refused["123"]
    unused = [note.text for note in found["6", "00_mini"].notes if note.code == NoteCode.REFUSED_LEFT_ASIDE]
    assert len(unused) == 1 and "Bo_6_assignsubmission_file_z.zip" in unused[0] and "essay.pdf" in unused[0]


def test_a_folder_with_the_notebooks_name_is_refused(folder, tmp_path):
    put(folder / "ada" / "00_mini" / "00_mini.ipynb" / "00_mini.ipynb")
    put(folder / "ben" / "00_mini" / "my.ipynb" / "00_mini.ipynb")
    (folder / "cem" / "00_mini.ipynb").mkdir(parents=True)
    found, _ = taken(folder, tmp_path)
    assert all("is a folder where a notebook" in found[who, "00_mini"].refusal for who in ("ada", "cem"))
    assert "no 00_mini.ipynb" in found["ben", "00_mini"].refusal


def test_what_the_grader_may_not_read_is_refused(folder, tmp_path, monkeypatch):
    put(folder / "ada" / "00_mini" / "00_mini.ipynb")
    allowed = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: "00_mini.ipynb" not in str(path) and allowed(path, mode))
    found, _ = taken(folder, tmp_path)
    assert "may not be read by the grader" in found["ada", "00_mini"].refusal


@pytest.mark.parametrize("name", ["-rf", "a/b"[:1] + "\u202eb", "_x", "x" * 129, "=cmd()", "a;b", "名" * 70])
def test_bad_student_ids_are_refused(folder, tmp_path, name):
    put(folder / name / "00_mini" / "00_mini.ipynb")
    found, _ = taken(folder, tmp_path)
    (entry,) = found.values()
    assert entry.verdict == "denied" and "student id" in entry.refusal and entry.path is None


def test_ids_that_differ_in_case_only_are_refused(folder, tmp_path):
    put(folder / "Ada" / "00_mini" / "00_mini.ipynb")
    put(folder / "ada" / "00_mini" / "00_mini.ipynb")
    found, _ = taken(folder, tmp_path)
    assert not found["Ada", "00_mini"].refusal and "upper and lower case" in found["ada", ""].refusal


def links(folder, outside):
    put(outside / "00_mini.ipynb")
    lab = folder / "ada" / "00_mini"
    yield lambda: (lab.mkdir(parents=True), (lab / "00_mini.ipynb").symlink_to(outside / "00_mini.ipynb"))
    yield lambda: (lab.mkdir(parents=True), os.link(outside / "00_mini.ipynb", lab / "00_mini.ipynb"))
    yield lambda: (lab.parent.mkdir(), lab.symlink_to(outside))
    yield lambda: (lab.mkdir(parents=True), os.mkfifo(lab / "00_mini.ipynb"))
    yield lambda: (put(lab / "00_mini.ipynb"), (lab / "extra").symlink_to("/etc"))


@pytest.mark.parametrize("which", range(5))
def test_links_and_pipes_are_denied(folder, tmp_path, which):
    list(links(folder, tmp_path / "outside"))[which]()
    found, _ = taken(folder, tmp_path)
    assert found["ada", "00_mini"].verdict == "denied"


def test_a_student_folder_that_is_a_link_is_denied(folder, tmp_path):
    put(tmp_path / "outside" / "00_mini" / "00_mini.ipynb")
    (folder / "ada").symlink_to(tmp_path / "outside")
    found, _ = taken(folder, tmp_path)
    assert found["ada", ""].verdict == "denied"


@pytest.mark.parametrize("name", ["../evil.ipynb", "/etc/evil", "a/../../evil", "..\\evil", "c:/evil", "a//b"])
def test_an_archive_that_climbs_is_denied(folder, tmp_path, name):
    zipped(folder / "ada.zip", (name, "x"))
    found, _ = taken(folder, tmp_path)
    assert found["ada", ""].verdict == "denied" and not list(tmp_path.rglob("evil*"))


def test_an_archive_with_a_link_is_denied(folder, tmp_path):
    zipped(folder / "ada.zip", ("00_mini/00_mini.ipynb", "/etc/passwd"), kind=stat.S_IFLNK)
    found, _ = taken(folder, tmp_path)
    assert found["ada", ""].verdict == "denied"


def test_an_archive_that_swells_is_denied(folder, tmp_path):
    with zipfile.ZipFile(folder / "ada.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("00_mini/00_mini.ipynb", b"\0" * (101 * 2**20))
    found, _ = taken(folder, tmp_path)
    assert found["ada", ""].verdict == "denied" and "too large" in found["ada", ""].refusal


def test_a_damaged_archive_is_explained(folder, tmp_path):
    put(folder / "ada.zip", "not a zip")
    found, _ = taken(folder, tmp_path)
    assert found["ada", ""].verdict == "error" and "cannot be read" in found["ada", ""].refusal


def test_nothing_to_grade_is_an_error_in_words(folder, tmp_path):
    with pytest.raises(GraderError, match="no submissions in .*expected <student>/<lab>/<lab>.ipynb"):
        collect(folder, LABS, tmp_path / "scratch")
    with pytest.raises(GraderError, match="There is no folder"):
        collect(folder / "none", LABS, tmp_path / "scratch")


def test_a_damaged_member_is_explained(folder, tmp_path):
    zipped(folder / "ada.zip", ("00_mini/00_mini.ipynb", "{}" * 1000), method=zipfile.ZIP_DEFLATED)
    data = bytearray((folder / "ada.zip").read_bytes())
    start = data.index(b"00_mini.ipynb") + len(b"00_mini.ipynb")
    data[start : start + 4] = b"\xff" * 4
    (folder / "ada.zip").write_bytes(data)
    found, _ = taken(folder, tmp_path)
    assert found["ada", ""].verdict == "error" and "pack the notebook into a new zip" in found["ada", ""].refusal


def test_an_archive_too_deep_to_be_removed_again_is_denied(folder, tmp_path):
    zipped(folder / "ada.zip", ("a/" * 25 + "b", "x"))
    found, _ = taken(folder, tmp_path)
    assert found["ada", ""].verdict == "denied" and "deep" in found["ada", ""].refusal
    assert not list((tmp_path / "scratch").iterdir())


def test_extra_files_are_copied_but_not_followed(folder, tmp_path):
    put(folder / "mine.py", "x = 1")
    put(folder / "lab.ipynb")
    (folder / "link").symlink_to("/etc/hostname")
    (tmp_path / "out").mkdir()
    assert copy_extra_files(folder, tmp_path / "out", Limits()) == []
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.py"]


def sized(path, size):
    put(path, "")
    os.truncate(path, size)


def test_extra_files_leave_half_of_the_quota_to_the_notebook(folder, tmp_path):
    for name, size in (("a.bin", 2**20), ("b.bin", 2**20 + 1), ("z.py", 10), ("huge.bin", MAX_FILE_BYTES + 1)):
        sized(folder / name, size)
    (tmp_path / "out").mkdir()
    (note,) = copy_extra_files(folder, tmp_path / "out", Limits(files=4 * 2**20))
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.bin", "z.py"]
    assert "b.bin, huge.bin" in note.text and "2 MiB together" in note.text


def test_many_small_files_take_whole_pages(folder, tmp_path):
    for number in range(10):
        sized(folder / f"{number}.txt", 1)
    (tmp_path / "out").mkdir()
    copy_extra_files(folder, tmp_path / "out", Limits(files=10 * 4096))
    assert len(list((tmp_path / "out").iterdir())) == 5


def test_what_goes_to_a_worker_stays_within_the_quota(folder):
    for name, size in (("00_mini.ipynb", 2**20), ("a.bin", 2**20), ("b.bin", 2**20)):
        sized(folder / name, size)
    said = Note.of(NoteCode.OTHER_FILE_NAME, name="a.ipynb")
    packed = pack(Submission("ada", "00_mini", folder / "00_mini.ipynb", [said]), Limits(files=2 * 2**20))
    assert sorted(packed["files"]) == ["00_mini.ipynb", "a.bin"] and packed["notebook"] == "00_mini.ipynb"
    assert packed["notes"][0] == said.to_plain() and "b.bin" in packed["notes"][1]["text"]


# ---------------------------------------------------------------------------------------------- the time of handing in


def test_the_time_counts_only_where_the_student_did_not_write_it(folder, tmp_path):
    early, late = "2020-01-01 00:00:00 UTC", "2026-03-01 00:00:00 UTC"
    put(folder / "ada" / "00_mini" / "00_mini.ipynb")
    put(folder / "ada" / "00_mini" / "timestamp.txt", late)  # nbgrader's exchange wrote this one
    zipped(folder / "ben.zip", ("00_mini/00_mini.ipynb", "{}"), ("00_mini/timestamp.txt", early))
    zipped(folder / "cem.zip", ("00_mini/00_mini.ipynb", "{}"), ("00_mini/timestamp.txt", early))
    put(folder / "cem.timestamp.txt", late)
    put(folder / "Ann_7_assignsubmission_file_" / "00_mini.ipynb")
    put(folder / "Ann_7_assignsubmission_file_" / "timestamp.txt", early)
    zipped(folder / "eve.zip", ("00_mini.ipynb", "{}"), ("timestamp.txt", early))
    found, remarks = taken(folder, tmp_path)
    times = {who: read_timestamp(entry.timestamp)[0] if entry.timestamp else None for (who, _), entry in found.items()}
    years = {who: time and time.year for who, time in times.items()}
    assert years == {"ada": 2026, "ben": None, "cem": 2026, "7": None, "eve": None} and not remarks
    own = Note.of(NoteCode.TIMESTAMP_LEFT_ASIDE, name="timestamp.txt")
    assert {who for (who, _), entry in found.items() if own in entry.notes} == {"ben", "cem", "7", "eve"}


def test_a_time_beside_an_archive_changes_what_a_judgement_depends_on(folder, tmp_path):
    zipped(folder / "ada.zip", ("00_mini/00_mini.ipynb", "{}"))
    digests = set()
    for time in ("", "2026-03-01", "2026-03-02"):
        put(folder / "ada.timestamp.txt", time)
        (entry,) = taken(folder, tmp_path / time / "scratch")[0].values()
        digests.add(entry.digest("key"))
    assert len(digests) == 3


# ------------------------------------------------------------------------------------------------ what no text can hold


def test_names_that_are_no_text_stop_neither_notes_nor_digests(folder, tmp_path):
    odd = os.fsdecode(b"L\xf6\x1bsung")
    put(folder / "ada" / "00_mini" / f"{odd}.ipynb")
    put(folder / "ben" / "00_mini" / "00_mini.ipynb")
    (folder / "ben" / "00_mini" / odd).symlink_to("/etc")
    put(folder / "cem" / "00_mini" / "00_mini.ipynb")
    put(folder / "cem" / "00_mini" / odd)
    put(folder / "cem" / f"{odd}.ipynb")
    put(folder / odd)
    found, remarks = taken(folder, tmp_path)
    assert found["ada", "00_mini"].notes == [Note.of(NoteCode.OTHER_FILE_NAME, name="L\ufffd\ufffdsung.ipynb")]
    assert found["ben", "00_mini"].refusal.startswith("L\ufffd\ufffdsung is a symbolic link")
    assert len({entry.digest("key") for entry in found.values()}) == 3
    assert len(remarks) == 2 and all(text.isprintable() for text in remarks)


def test_half_a_surrogate_pair_in_a_notebook_is_replaced(folder, tmp_path):
    cells = [
        {"cell_type": "markdown", "metadata": {}, "source": ["a\ud800", "\udc00b \U0001f600"]},
        {"cell_type": "code", "metadata": {"nbgrader": {"grade_id": "\udfff"}}, "source": "'\udc80'", "outputs": []},
    ]
    path = put(folder / "a.ipynb", json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells}))
    read = read_notebook(path, 2**20)
    assert [cell.source for cell in read.cells] == ["a\ufffd\ufffdb \U0001f600", "'\ufffd'"]
    nbformat.write(read, tmp_path / "b.ipynb")


# ------------------------------------------------------------------------------------------------ reading notebooks


def test_a_notebook_is_stripped_to_what_counts(notebook, folder):
    made = notebook()
    made.cells[1].outputs = [nbformat.v4.new_output("stream", text="forged")]
    made.cells[1].metadata["tags"] = ["skip-execution"]
    nbformat.write(made, folder / "a.ipynb")
    cell = read_notebook(folder / "a.ipynb", 2**20).cells[1]
    assert cell.outputs == [] and "tags" not in cell.metadata


def test_what_is_too_large_is_cut_or_dropped_or_refused_at_once(notebook, folder):
    made = notebook(answer="x" * 300_000)
    picture = nbformat.v4.new_markdown_cell("![a](attachment:a.png)")
    picture["attachments"] = {
        "a.png": {"image/png": " " * 1_000_000 + "!"},
        "b.png": {"image/png": "A" * 7_000_000},
        "c.png": {"image/png": "AAA=\n"},
    }
    made.cells.append(picture)
    made.metadata["distillab_refusal"] = ["the dog ate it", "denied"]
    nbformat.write(made, folder / "00_mini.ipynb")
    read = read_notebook(folder / "00_mini.ipynb", 20 * 2**20)
    answer = next(cell for cell in read.cells if cell.source.startswith("xxx"))
    assert len(answer.source) < 101_000 and answer.source.endswith("the rest of it is left out.]")
    assert read.cells[-1].attachments == {"c.png": {"image/png": "AAA=\n"}}
    assert read.metadata == {}
    made.cells = [{"cell_type": "raw", "source": "", "metadata": {}}] * 3_000
    (folder / "00_mini.ipynb").write_text(json.dumps(made))
    with pytest.raises(Refused, match="3,000 cells, and 2,000 is the limit"):
        read_notebook(folder / "00_mini.ipynb", 20 * 2**20)


def test_a_file_with_holes_is_known_by_its_size(folder, tmp_path):
    (folder / "00_mini.ipynb").write_text("{}")
    large = folder / "large.bin"
    large.write_bytes(b"")
    os.truncate(large, 2**40)
    submission = Submission("ann", "00_mini", folder / "00_mini.ipynb")
    first = submission.digest("judge")
    os.truncate(large, 2**40 + 1)
    assert submission.digest("judge") != first
    os.truncate(large, 2**40)
    (folder / "00_mini.ipynb").write_text("[]")
    assert submission.digest("judge") != first


def test_older_formats_and_a_byte_order_mark_are_read(folder):
    old = {"nbformat": 3, "nbformat_minor": 0, "metadata": {}, "worksheets": [{"metadata": {}, "cells": [
        {"cell_type": "code", "input": ["x = 1"], "outputs": [], "language": "python", "collapsed": False,
         "metadata": {}}]}]}  # fmt: skip
    (folder / "a.ipynb").write_bytes(b"\xef\xbb\xbf" + json.dumps(old).encode())
    assert read_notebook(folder / "a.ipynb", 2**20).cells[0].source == "x = 1"


def test_of_attachments_pasted_images_are_kept_up_to_the_graded_notebook(mini, notebook, folder):
    image = {"image/png": "iVBORw0K\n"}
    made = notebook(DOUBLE, AVERAGE, answer="See ![this](attachment:image.png).")
    answer = next(cell for cell in made.cells if "attachment:" in cell.source)
    answer["attachments"] = {
        "image.png": image | {"text/html": "<script>"},
        "a b.png": image,
        "drawing.svg": {"image/svg+xml": "<svg/>"},
        "broken.png": {"image/png": '" onerror="alert(1)'},
        "list.png": ["image/png"],
    }
    (folder / "a.ipynb").write_text(json.dumps(made), encoding="utf-8")
    aligned = align(mini, read_notebook(folder / "a.ipynb", 2**20)).notebook
    assert [cell.attachments for cell in aligned.cells if "attachments" in cell] == [{"image.png": image}]
    nbformat.validate(aligned)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b'{"cells": [{"cell_', "cut short or damaged"),
        (b"", "cut short or damaged"),
        (b"\xff\xfe\x00", "not UTF-8"),
        (b"\x00\x00", "cut short or damaged"),
        (b"[1, 2]", "not a notebook"),
        (b'{"nbformat": "4"}', "not a notebook"),
        (b'{"nbformat": 4, "cells": [3]}', "cells cannot be read"),
        (b'{"nbformat": 4}', "cells cannot be read"),
        (b'{"nbformat": 4, "cells": [{"cell_type": "code", "source": 7}]}', "text is not text"),
        (b'{"nbformat": 3, "worksheets": 1}', "cells cannot be read"),
        (b"[" * 100_000, "cut short or damaged"),
        (b'{"nbformat": 4, "cells": [' + b" " * 2**20 + b"]}", "is the limit"),
        (
            b'{"nbformat": 4, "cells": [{"cell_type": "code", "source": "' + b"x=1;" * 50_001 + b'"}]}',
            "code cells hold 200,004 characters, and 200,000 is the limit",
        ),
    ],  # fmt: skip
)
def test_what_cannot_be_read_is_explained(folder, content, says):
    (folder / "a.ipynb").write_bytes(content)
    with pytest.raises(Refused, match=says):
        read_notebook(folder / "a.ipynb", 2**20)


def test_another_lab_is_said_once_and_not_for_each_student(folder, tmp_path):
    for student in ("ada", "ben", "cem"):
        put(folder / student / "00_mini" / "00_mini.ipynb")
        put(folder / student / "01_other" / "01_other.ipynb")
    put(folder / "dee" / "00_mini" / "00_mini.ipynb")
    put(folder / "dee" / "01_other.ipynb")
    submissions, remarks = found_in(folder, ["00_mini"], tmp_path / "scratch", LABS)
    assert [entry.student for entry in submissions] == ["ada", "ben", "cem", "dee"]
    assert remarks == ["01_other: this lab is not being graded; what was handed in for it is ignored"]
