"""What Canvas and Moodle let one download, as it comes, matched to the class; what matches nobody is nobody's."""

import csv
import os
import zipfile
from datetime import datetime

import pytest

from helpers.grader.intake.collect import collect
from helpers.grader.intake.matching import FILE_CSV, read_answers, unmatched_csv
from helpers.grader.intake.names import download_name, is_lab_folder, is_student_id, lab_named
from helpers.grader.intake.roster import Person, Roster
from helpers.grader.intake.timestamp import read_timestamp
from helpers.grader.notes import NoteCode
from helpers.grader.reports.class_list import unmatched_page

LABS = ["01_temperature", "02_loss", "03_training"]
PEOPLE = [
    Person("m1", "Zoë Müller", "Zoë", "Müller", number="101", login="zmueller", email="zoe@example.org"),
    Person("m2", "Pat O'Brien", "Pat", "O'Brien", number="102", login="pobrien"),
    Person("m3", "李小龙", "小龙", "李", number="103", login="xli"),
    Person("m4", "Lee Ann", "Lee", "Ann", number="12345", login="lann", participant="7004"),
    Person("m5", "Wei Wang", "Wei", "Wang", number="105", login="wwang1"),
    Person("m6", "Wei Wang", "Wei", "Wang", number="106", login="wwang2"),
]
CLASS = Roster({person.student: person for person in PEOPLE}, from_canvas=True)
MOODLE_CLASS = Roster(CLASS.people, from_canvas=False)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "in").mkdir()
    return tmp_path / "in"


def put(path, text="{}", seconds=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    if seconds:
        os.utime(path, (seconds, seconds))


def zipped(path, members, date=(2026, 3, 1, 12, 0, 0)):
    """Write an archive; a member's content may be bytes, text, or (text, date)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            text, when = content if isinstance(content, tuple) else (content, date)
            archive.writestr(zipfile.ZipInfo(name, when), text)
    return path


def found_in(place, tmp_path, roster=CLASS, labs=LABS, **options):
    collected = collect(place, labs, tmp_path / "scratch", LABS, roster, **options)
    return {(item.student, item.lab): item for item in collected.submissions}, collected


def texts_of(found):
    return {key: item.path.read_text() if item.path else item.refusal for key, item in found.items()}


CANVAS = {
    "müllerzoë_101_5001_02_loss.ipynb": "zoe",
    "obrienpat_LATE_102_5002_02_loss-1.ipynb": "pat",
    "李小龙_103_5003_Lab 2.ipynb": "li",
    "annlee_12345_5004_02_loss.ipynb": "lee, first",
    "annlee_12345_5009_02_loss-1.ipynb": "lee, second",
    "annlee_12345_5010_mine.py": "x = 1",
    "wangwei_106_5006_homework.zip": b"no archive",
    "wangwei_106_5007_02_loss.ipynb": "wei",
}


@pytest.mark.parametrize("form", ["one archive", "an archive in a folder", "unpacked", "an archive in a lab's folder"])
def test_canvas_download_is_matched_as_it_comes(folder, tmp_path, form):
    if form == "unpacked":
        for name, content in CANVAS.items():
            put(folder / name, content if isinstance(content, str) else "no archive")
        place = folder
    else:
        archive = zipped(folder / ("02_loss" if "lab" in form else "") / "submissions.zip", CANVAS)
        place = archive if form == "one archive" else folder
    found, collected = found_in(place, tmp_path)
    assert texts_of(found) == {
        ("m1", "02_loss"): "zoe",
        ("m2", "02_loss"): "pat",
        ("m3", "02_loss"): "li",
        ("m4", "02_loss"): "lee, second",
        ("m6", "02_loss"): "wei",
    }
    notes = {who: {note.code: note.text for note in item.notes} for (who, _), item in found.items()}
    assert NoteCode.LATE_IN_CANVAS in notes["m2"] and NoteCode.LATE_IN_CANVAS not in notes["m1"] and notes["m1"] == {}
    assert "02_loss.ipynb was left aside" in notes["m4"][NoteCode.EARLIER_LEFT_ASIDE]
    assert "wangwei_106_5006_homework.zip" in notes["m6"][NoteCode.REFUSED_LEFT_ASIDE]
    assert (found["m4", "02_loss"].path.parent / "mine.py").read_text() == "x = 1"
    assert found["m2", "02_loss"].handed_in == "obrienpat_LATE_102_5002_02_loss-1.ipynb"
    assert collected.unmatched == []


def test_moodles_download_is_matched_as_it_comes(folder, tmp_path):
    inner = zipped(tmp_path / "inner.zip", {"my lab/02_loss.ipynb": "pat"}).read_bytes()
    zipped(
        folder / "CS1-Lab 2-77.zip",
        {
            "Zoë Müller_7001_assignsubmission_file_/02_loss.ipynb": "zoe",
            "Pat O'Brien_7002_assignsubmission_file/homework.zip": inner,  # as Moodle 4.1 names folders
            "Group A-李小龙_7003_assignsubmission_file_/02_loss/02_loss.ipynb": "li",
            "Lee Ann_7004_assignsubmission_file_/02_loss.ipynb": ("late", (2026, 3, 2, 12, 0, 0)),
            "Lee Ann_7004_assignsubmission_file_/02_loss (1).ipynb": ("early", (2026, 3, 1, 12, 0, 0)),
            "Wei Wang_7005_assignsubmission_file_/02_loss.ipynb": "one of two",
            "Nobody Known_7006_assignsubmission_file_/../../x": "climbs",
        },
    )
    found, collected = found_in(folder, tmp_path, MOODLE_CLASS)
    assert texts_of(found) == {
        ("m1", "02_loss"): "zoe",
        ("m2", "02_loss"): "pat",
        ("m3", "02_loss"): "li",
        ("m4", "02_loss"): "late",
    }
    reasons = {item.handed_in: (item.reason, [one.student for one in item.suggestions]) for item in collected.unmatched}
    assert reasons == {
        "Wei Wang_7005_assignsubmission_file_": ("2 students match this name", ["m5", "m6"]),
        "Nobody Known_7006_assignsubmission_file_": ("no student on the roster matches", []),
    }


def test_folders_archives_and_loose_files_are_matched_by_id_login_email_and_name(folder, tmp_path):
    put(folder / "Zoë Müller" / "02_loss" / "02_loss.ipynb", "a folder by name")
    put(folder / "POBRIEN_02_loss.ipynb", "loose, by login")
    zipped(folder / "李小龙.zip", {"02_loss.ipynb": "an archive"})
    put(folder / "02_loss" / "lee ann.ipynb", "in the lab's folder")
    put(folder / "wwang2@example.org" / "02_loss.ipynb", "nobody's address")
    found, collected = found_in(folder, tmp_path, MOODLE_CLASS)
    assert {who: text for (who, _), text in texts_of(found).items()} == {
        "m1": "a folder by name",
        "m2": "loose, by login",
        "m3": "an archive",
        "m4": "in the lab's folder",
    }
    (unmatched,) = collected.unmatched
    assert unmatched.handed_in == "wwang2@example.org" and [one.student for one in unmatched.suggestions][0] == "m6"


def test_of_hand_ins_in_several_places_the_latest_counts(folder, tmp_path):
    put(folder / "by mail" / "x")
    put(folder / "m1" / "02_loss" / "02_loss.ipynb", "by mail, later", seconds=1_800_000_000)
    zipped(folder / "submissions.zip", {"müllerzoë_101_5001_02_loss.ipynb": "in Canvas"})
    found, _ = found_in(folder, tmp_path)
    assert texts_of(found) == {("m1", "02_loss"): "by mail, later"}
    assert "müllerzoë_101_5001_02_loss.ipynb was left aside" in found["m1", "02_loss"].notes[-1].text


def test_the_time_of_a_download_is_what_the_instructor_wrote_beside_it_in_any_zone(folder, tmp_path):
    zipped(
        folder / "submissions.zip", {"müllerzoë_101_5001_02_loss.ipynb": "{}", "annlee_12345_5002_02_loss.ipynb": "{}"}
    )
    put(folder / "m1.timestamp.txt", "2026-03-01 13:30:00 +0100")
    found, _ = found_in(folder, tmp_path)
    assert read_timestamp(found["m1", "02_loss"].timestamp)[0] == datetime(2026, 3, 1, 12, 30)
    assert found["m4", "02_loss"].timestamp is None


def test_a_damaged_part_of_a_download_concerns_one_student(folder, tmp_path):
    archive = zipped(folder / "submissions.zip", CANVAS | {"müllerzoë_101_5001_02_loss.ipynb": "z" * 1000})
    data = archive.read_bytes()
    archive.write_bytes(data.replace(b"z" * 1000, b"y" * 1000))  # its checksum is wrong now
    found, _ = found_in(folder, tmp_path)
    assert "the archive cannot be read" in found["m1", "02_loss"].refusal
    assert found["m2", "02_loss"].path.read_text() == "pat" and len(found) == 5


def test_a_student_cannot_hand_in_for_another(folder, tmp_path):
    forged = {"müllerzoë_101_9999_02_loss.ipynb": "forged"}
    zipped(folder / "m2.zip", forged)
    zipped(folder / "obrienpat_102_5002_x.zip", forged)
    zipped(folder / "Pat O'Brien_7002_assignsubmission_file_x.zip", forged)
    put(folder / "pobrien" / "müllerzoë_101_9999_02_loss.ipynb", "forged")
    zipped(folder / "02_loss" / "pobrien.zip", forged)
    zipped(folder / "somebody.zip", forged)
    found, collected = found_in(folder, tmp_path)
    assert {who for who, _ in found} == {"m2"} and [one.handed_in for one in collected.unmatched] == ["somebody.zip"]
    found, _ = found_in(folder, tmp_path / "without", roster=None)
    assert "101" not in {who for who, _ in found}


def test_another_number_in_canvas_is_another_person_even_of_the_same_name(folder, tmp_path):
    put(folder / "müllerzoë_999_5001_02_loss.ipynb")
    _, collected = found_in(folder, tmp_path)
    (item,) = collected.unmatched
    assert [one.student for one in item.suggestions] == ["m1"]


def test_two_of_one_name_are_told_apart_by_their_numbers(folder, tmp_path):
    zipped(folder / "submissions.zip", {"wangwei_105_1111_02_loss.ipynb": "5", "wangwei_106_1112_02_loss.ipynb": "6"})
    found, _ = found_in(folder, tmp_path)
    assert texts_of(found) == {("m5", "02_loss"): "5", ("m6", "02_loss"): "6"}


def test_what_matches_nobody_is_listed_and_graded_once_the_instructor_says_whose_it_is(folder, tmp_path):
    put(folder / "Zoe Mueller" / "02_loss" / "02_loss.ipynb", "zoe")
    put(folder / "=HYPERLINK(1)" / "02_loss" / "02_loss.ipynb")
    put(folder / "m2" / "02_loss" / "02_loss.ipynb")
    _, collected = found_in(folder, tmp_path)
    page = unmatched_page(collected.unmatched)
    assert "Zoë Müller, <code>m1</code>, zoe@example.org" in page and "nobody with a similar name" in page
    (tmp_path / FILE_CSV).write_text(unmatched_csv(collected.unmatched, {}))
    rows = list(csv.DictReader((tmp_path / FILE_CSV).open()))
    assert [(row["handed_in"], row["suggestion"]) for row in rows] == [("'=HYPERLINK(1)", ""), ("Zoe Mueller", "m1")]
    rows[1]["student"] = "zmueller"
    with (tmp_path / FILE_CSV).open("w") as file:  # as a spreadsheet of another country saves it
        writer = csv.DictWriter(file, rows[0], delimiter=";")
        writer.writeheader()
        writer.writerows(rows)
    answers = read_answers(tmp_path)
    assert answers == {"Zoe Mueller": "zmueller"}
    found, collected = found_in(folder, tmp_path / "again", answers=answers)
    assert found["m1", "02_loss"].path.read_text() == "zoe" and len(collected.unmatched) == 1
    assert "zmueller" in unmatched_csv(collected.unmatched, answers)
    _, collected = found_in(folder, tmp_path / "wrong", answers={"Zoe Mueller": "nobody"})
    assert "no student has the id nobody" in {item.reason.split(",")[0] for item in collected.unmatched}


def test_a_lab_that_is_written_otherwise_is_still_that_lab(folder, tmp_path):
    for student, name in {"m1": "02_Loss.IPYNB", "m2": "Lab 2/final.ipynb", "m3": "lab2-loss (1).ipynb"}.items():
        put(folder / student / name)
    put(folder / "m4" / "annlee_LATE_12345_5004_02_loss.ipynb")
    (folder / "m5").mkdir()
    found, collected = found_in(folder, tmp_path)
    assert sorted(found) == [(f"m{number}", "02_loss") for number in (1, 2, 3, 4)]
    assert not any(item.refusal for item in found.values()) and collected.remarks == ["m5: the folder is empty"]
    assert "taken from Lab 2/final.ipynb" in found["m2", "02_loss"].notes[0].text


def test_without_a_roster_a_download_stands_under_the_lms_number_and_names_are_ids(folder, tmp_path):
    zipped(folder / "leeann_12345_678901_02_loss.zip", {"02_loss.ipynb": "zipped"})
    put(folder / "Zoë Müller" / "02_loss" / "02_loss.ipynb")
    put(folder / "李小龙" / "02_loss" / "02_loss.ipynb")
    zipped(folder / "O'Brien, Pat.zip", {"02_loss.ipynb": "pat"})
    found, _ = found_in(folder, tmp_path, roster=None)
    assert {who for who, _ in found} == {"12345", "Zoë Müller", "李小龙", "O'Brien, Pat"}
    assert found["12345", "02_loss"].notes[-1].text == "Canvas's user 12345: leeann_12345_678901_02_loss.zip"


def test_in_a_labs_folder_one_notebook_may_have_any_name_and_another_lab_is_refused(folder, tmp_path):
    zipped(
        folder / "02_loss" / "submissions.zip",
        {
            "müllerzoë_101_5001_homework.ipynb": "zoe",
            "obrienpat_102_5002_essay.pdf": "pat",
            "annlee_12345_text.html": "typed",
        },
    )
    found, _ = found_in(folder, tmp_path)
    assert found["m1", "02_loss"].path.read_text() == "zoe"
    for who in ("m2", "m4"):
        assert "no lab's notebook was handed in" in found[who, "02_loss"].refusal


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("leeann_12345_678901_02_loss.ipynb", ("canvas", "leeann", "12345", "02_loss.ipynb", False)),
        ("leeann_LATE_12345_678901_02_loss-1.ipynb", ("canvas", "leeann", "12345", "02_loss-1.ipynb", True)),
        ("leeann_1_678_bob_999_10000_x.ipynb", ("canvas", "leeann", "1", "bob_999_10000_x.ipynb", False)),
        ("Lee Ann_12_assignsubmission_file_", ("moodle", "Lee Ann", "12", "", False)),
        ("Lee Ann_12_assignsubmission_file_x_7_assignsubmission_file_", ("moodle", "Lee Ann", "12", None, False)),
        ("12345_678901_02_loss.ipynb", None),
        ("02_loss.ipynb", None),
    ],
)
def test_the_first_prefix_of_a_download_says_whose_it_is(name, expected):
    found = download_name(name)
    if expected is None:
        assert found is None
    else:
        lms, owner, number, rest, is_late = expected
        assert (found.lms, found.owner, found.number, found.is_late) == (lms, owner, number, is_late)
        assert rest is None or found.rest == rest


@pytest.mark.parametrize(
    ("name", "lab"),
    [
        ("02_Loss.IPYNB", "02_loss"),
        ("ann_02_loss_final.ipynb", "02_loss"),
        ("Lab 2", "02_loss"),
        ("lab-2.ipynb", "02_loss"),
        ("Lab 12", None),
        ("homework.ipynb", None),
        ("01_temperature_02_loss.ipynb", None),
    ],
)
def test_a_name_means_one_lab_or_none(name, lab):
    assert lab_named(name, LABS) == lab


def test_a_folder_that_is_only_a_number_is_a_students():
    assert is_lab_folder("2", LABS) is None and is_lab_folder("Lab 2", LABS) == "02_loss"


def test_names_of_people_are_ids_and_what_could_deceive_is_not():
    assert all(map(is_student_id, ["Zoë Müller", "李小龙", "O'Brien, Pat", "मोहन", "a.b@c.org", "m1"]))
    assert not any(map(is_student_id, ["", "-rf", "..", "a/b", "a;b", "=c", "x" * 129, "a\u202eb", "a ", "a\n"]))
