"""The made-up class of the desk's benchmark: its size, its names, and damage of every kind."""

import io
import random
import zipfile
from collections import Counter

from benchmarks.desk import DAMAGE, EVERY, HAND_INS, STUDENTS, _files, _write_lists, _zip, make_students
from helpers.grader.intake.matching import Matcher, owner_of
from helpers.grader.intake.roster import read_roster


def test_the_class_has_191_hand_ins_and_every_kind_of_damage():
    assert sum(HAND_INS.values()) == 191 and STUDENTS == 68
    assert all(count // EVERY >= len(DAMAGE) for count in HAND_INS.values())


def test_names_are_as_people_have_them_and_two_people_share_one():
    names = Counter((student.first, student.last) for student in make_students())
    assert sorted(names.values())[-2:] == [1, 2] and len({student.number for student in make_students()}) == STUDENTS
    assert any(not name.isascii() for pair in names for name in pair) and any("'" in last for _, last in names)


def test_both_class_lists_know_everyone_by_the_name_in_the_download(tmp_path):
    students = make_students()
    _write_lists(tmp_path, students)
    canvas, moodle = Matcher(read_roster(tmp_path / "canvas.csv")), Matcher(read_roster(tmp_path / "moodle.csv"))
    for student in students[:-2]:
        name = f"{student.canvas_name}_LATE_{student.number}_700001_x.ipynb"
        assert canvas.student(name, *owner_of(name)) == f"m{student.number}"
        name = f"{student.moodle_name}_7001_assignsubmission_file_"
        assert moodle.student(name, *owner_of(name)) == f"m{student.number}"
    twins = students[-1]
    assert moodle.student("x", *owner_of(f"{twins.moodle_name}_7001_assignsubmission_file")) is None
    assert len(moodle.unmatched[0].suggestions) == 2


def test_damage_is_what_it_is_called():
    notebook = random.Random(1).randbytes(500)
    assert _files("02_loss", notebook, "cut short")["02_loss.ipynb"] == notebook[:250]
    assert set(_files("02_loss", notebook, "second try")) == {"02_loss.ipynb", "02_loss-1.ipynb"}
    assert list(_files("02_loss", notebook, "upper case")) == ["02_Loss.IPYNB"]
    whole = _files("02_loss", notebook, "in an archive")["homework.zip"]
    assert zipfile.ZipFile(io.BytesIO(whole)).read("homework/02_loss.ipynb") == notebook
    assert not zipfile.is_zipfile(io.BytesIO(_files("02_loss", notebook, "damaged archive")["homework.zip"]))
    assert _zip({"a": b"1"}) == _zip({"a": b"1"})
