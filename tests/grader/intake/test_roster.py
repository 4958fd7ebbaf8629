"""The class list: exports of Canvas, of Moodle and our own form, whatever program has saved them."""

import pytest

from helpers.grader.errors import GraderError
from helpers.grader.intake.roster import Roster, read_roster

CANVAS = """Student,ID,SIS User ID,SIS Login ID,Section,02_loss (991)
    Points Possible,,,,,24
"Müller, Zoë",101,m1,zmueller,Tue,
"O'Brien, Pat",102,m2,pobrien,Wed,3
"李, 小龙",103,m3,xli,Wed,
"Student, Test",104,,,,
"""
MOODLE = """First name;Surname;ID number;Username;Email address;Groups
Zoë;Müller;m1;zmueller;zoe@example.org;A
Pat;O'Brien;;pobrien;pat@example.org;B
"""
WORKSHEET = """Identifier,Full name,Email address,Status,Grade
Participant 7001,Zoë Müller,zoe@example.org,Submitted,
Participant 7002,Pat O'Brien,pat@example.org,No submission,
"""
OURS = """id\tname\temail\tsection\texcused
zm\tZoë Müller\tzoe@example.org\tA\tyes
po\tPat O'Brien\tpat@example.org\tB\t01_temperature, Lab 2
xl\t李小龙\t\t\tno
"""


def read(tmp_path, text, encoding="utf-8"):
    path = tmp_path / "class.csv"
    path.write_bytes(text.encode(encoding))
    return read_roster(path)


def test_canvas_own_export_is_a_roster_without_its_points_row_and_its_test_student(tmp_path):
    roster = read(tmp_path, CANVAS, "utf-8-sig")
    assert [person.student for person in roster] == ["m1", "m2", "m3"] and roster.from_canvas
    zoe = roster.get("m1")
    assert (zoe.name, zoe.sortable_name, zoe.number, zoe.login, zoe.section) == (
        "Zoë Müller",
        "Müller, Zoë",
        "101",
        "zmueller",
        "Tue",
    )
    assert roster.get("m2").name == "Pat O'Brien" and roster.get("m3").sortable_name == "李, 小龙"


def test_moodles_exports_are_rosters_and_the_next_best_id_stands_in(tmp_path):
    roster = read(tmp_path, MOODLE)
    assert {person.student: (person.name, person.email, person.section) for person in roster} == {
        "m1": ("Zoë Müller", "zoe@example.org", "A"),
        "pobrien": ("Pat O'Brien", "pat@example.org", "B"),
    }
    worksheet = read(tmp_path, WORKSHEET)
    assert [(person.student, person.participant) for person in worksheet] == [
        ("zoe@example.org", "7001"),
        ("pat@example.org", "7002"),
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_our_own_columns_in_any_encoding_and_excused_labs(tmp_path, encoding):
    zoe, pat, li = read(tmp_path, OURS, encoding).with_labs(["01_temperature", "02_loss", "03_training"])
    assert zoe.is_excused("03_training") and not li.is_excused("02_loss")
    assert pat.is_excused("02_loss") and pat.is_excused("01_temperature") and not pat.is_excused("03_training")
    assert li.name == "李小龙"


def test_an_excuse_from_a_lab_that_does_not_exist_is_said(tmp_path):
    with pytest.raises(GraderError, match="Pat O'Brien is excused from 'Lab 2'.*none of the labs 01_temperature"):
        read(tmp_path, OURS).with_labs(["01_temperature"])


def test_what_excel_saves_in_its_own_encoding_is_read(tmp_path):
    (zoe,) = read(tmp_path, "id;name\nzm;Zoë Müller\n", "cp1252")
    assert zoe.name == "Zoë Müller"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no column that says who"),
        ("a,b\n1,2\n", "no column that says who"),
        ("id,name\n", "lists no students"),
        ("id,name\nzm,Zoë\nzm,Pat\n", "line 3: zm is listed twice"),
        ("id,name\n;;,<>\n", "line 2: <> has no id that can be used"),
    ],
)
def test_what_is_no_roster_is_said_in_a_line(tmp_path, text, says):
    with pytest.raises(GraderError, match=says):
        read(tmp_path, text)


def test_a_file_that_cannot_be_read_is_said(tmp_path):
    with pytest.raises(GraderError, match="cannot be read"):
        read_roster(tmp_path / "none.csv")


def test_a_roster_comes_back_from_the_output_folder_and_only_its_owner_reads_it(tmp_path):
    roster = read(tmp_path, OURS)
    roster.save(tmp_path)
    assert Roster.load(tmp_path) == roster and Roster.load(tmp_path / "none") is None
    assert (tmp_path / "roster.json").stat().st_mode & 0o777 == 0o600
