"""A slip of an author in a lab's files is one line that names the file and the line and says what to do."""

import shutil

import pytest

from helpers.cli import main
from helpers.grader.course.lab import Lab
from helpers.grader.errors import GraderError

FORBIDDEN = 'FORBIDDEN = ("helpers.losses",)'
SLIPS = {  # a file, a text in it, what the author writes instead, and what is said
    "no FORBIDDEN": ("cases.py", FORBIDDEN, "", "cases.py: FORBIDDEN is missing. List the helper modules"),
    "a misspelt exercise": (
        "cases.py",
        'Case("Average"',
        'Case("Avrage"',
        "cases.py, line 23: “Avrage” is no exercise of this lab. Did you mean “Average”?",
    ),
    "a syntax error": (
        "cases.py",
        "def examples():",
        "def examples(:",
        "cases.py, line 29: invalid syntax: def examples(:",
    ),
    "an unknown name": (
        "cases.py",
        "draw = Draw(seed)",
        "draw = Drw(seed)",
        "cases.py, line 34: NameError: name 'Drw'",
    ),
    "no examples": ("cases.py", "def examples():", "def samples():", "cases.py: examples is missing. Add a function"),
    "two cases of one name": (
        "cases.py",
        'Case("double", "one"',
        'Case("double", "plain"',
        "two cases of double are called “plain”. Rename one.",
    ),
    "a misspelt read=": (
        "misconceptions.py",
        'read="Double it"',
        'read="Duble it"',
        "misconceptions.py, line 7: “Duble it” is no section of this lab (read=). Did you mean “Double it”?",
    ),
    "a misconception of no exercise": (
        "misconceptions.py",
        '@misconception("double"',
        '@misconception("dbl"',
        "misconceptions.py, line 7: “dbl” is no exercise of this lab.",
    ),
    "a syntax error in misconceptions.py": (
        "misconceptions.py",
        "def squared(values):",
        "def squared(values)",
        "misconceptions.py, line 8: expected ':': def squared(values)",
    ),
    "a syntax error in an exercise": (
        "00_mini.py",
        "    return values * 2.0",
        "    return values *",
        "00_mini.py, cell 4: invalid syntax, line 6 of the cell: return values *",
    ),
    "an error in a solution": (
        "00_mini.py",
        "class Average(torch.nn.Module):",
        "class Average(torch.nm.Module):",
        "the cell Average fails at “class Average(torch.nm.Module):”: AttributeError",
    ),
}


def broken(course, folder, name, old, new):
    shutil.copytree(course / "solutions" / "00_mini", folder)
    text = (folder / name).read_text()
    assert old in text
    (folder / name).write_text(text.replace(old, new))
    return folder


@pytest.mark.parametrize("slip", SLIPS)
def test_a_slip_is_said_with_file_and_line(course, tmp_path, slip):
    name, old, new, said = SLIPS[slip]
    with pytest.raises(GraderError) as caught:
        Lab(broken(course, tmp_path / "solutions" / "00_mini", name, old, new))
    assert said in str(caught.value) and "\n" not in str(caught.value)


RIGHT = """

@misconception("double", "You add.", read="Double it")
def added(values):
    return values + values
"""


def test_a_misconception_that_is_a_right_answer_is_not_released(course, tmp_path, capsys):
    folder = broken(course, tmp_path / "solutions" / "00_mini", "misconceptions.py", "\n\n\n@", f"\n{RIGHT}\n\n@")
    assert main(["release", "--course", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    line = (folder / "misconceptions.py").read_text().splitlines().index("def added(values):") + 1
    assert f"misconceptions.py, line {line}: added gives the right value in every case and example of double." in said
    assert "Traceback" not in said and not (tmp_path / "labs").exists()
