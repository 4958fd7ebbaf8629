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
        "00_mini.py, line 31: invalid syntax: return values *",
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


LINTED = {  # as above, for what shows only when the whole lab is looked at
    "a case without points": (
        "cases.py",
        'Case("double", "one", (torch.tensor([3.5]),), about',
        'Case("double", "one", (torch.tensor([3.5]),), weight=0, about',
        "cases.py, line 36: the case double/one has the weight 0, so it is worth no points.",
    ),
    "a misconception of no other": (
        "misconceptions.py",
        '@misconception("double", "You square the values. Multiply each by two.", read="Double it")',
        "",
        "misconceptions.py: double has no misconception. Add a wrong answer",
    ),
    "an unknown module": (
        "cases.py",
        FORBIDDEN,
        'FORBIDDEN = ("helpers.loses",)',
        "cases.py, line 9: “helpers.loses” is no module (FORBIDDEN). Did you mean “helpers.losses”?",
    ),
    "an unknown observer": (
        "cases.py",
        'observe="module"',
        'observe="modul"',
        "cases.py, line 23: “modul” is no observer (observe=). Did you mean “module”?",
    ),
    "arguments without a comma": (
        "cases.py",
        'Case("double", "plain", (values,)',
        'Case("double", "plain", (values)',
        "the arguments of double/plain are no tuple. Write one argument as (value,), with a comma.",
    ),
    "long decimals": (
        "cases.py",
        "values = torch.randn(4, generator=torch.Generator().manual_seed(seed)).mul(10).round() / 10",
        "values = torch.randn(4, generator=torch.Generator().manual_seed(seed))",
        "the example Average/module has inputs with more than three decimals, which nobody can read.",
    ),
    "a solution that fails": (
        "00_mini.py",
        "return values * 2.0",
        "return values @ 2.0",
        "00_mini.py, line 25: the solution fails on a case.",
    ),
    "a value that cannot be compared": (
        "00_mini.py",
        "return values * 2.0",
        "return (value for value in values)",
        "on double/plain, the solution gives builtins.generator, which no answer can be compared with.",
    ),
    "a solution that accepts bad input": (
        "00_mini.py",
        "if values.numel() == 0:",
        "if values.numel() == -1:",
        "00_mini.py, line 25: the solution does not raise ValueError on double/validation_empty.",
    ),
}


@pytest.mark.parametrize("slip", LINTED)
def test_check_course_says_a_slip_and_release_refuses_with_the_same_line(course, tmp_path, capsys, slip):
    name, old, new, said = LINTED[slip]
    broken(course, tmp_path / "solutions" / "00_mini", name, old, new)
    assert main(["check-course", "--course", str(tmp_path)]) == 1
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("solutions/")]
    assert any(said in line for line in lines), lines
    assert main(["release", "--course", str(tmp_path)]) == 1
    assert capsys.readouterr().err.removeprefix("distillab: ").splitlines() == lines
    assert not (tmp_path / "labs").exists()


def test_slips_in_several_files_are_said_at_once(course, tmp_path, capsys):
    folder = broken(course, tmp_path / "solutions" / "00_mini", "cases.py", "def examples():", "def examples(:")
    text = (folder / "misconceptions.py").read_text()
    (folder / "misconceptions.py").write_text(text.replace("def squared(values):", "def squared(values)"))
    assert main(["check-course", "--course", str(tmp_path)]) == 1
    said = capsys.readouterr().out
    assert "cases.py, line 29: invalid syntax" in said and "misconceptions.py, line 8: expected ':'" in said


@pytest.mark.parametrize("missing", ["cases.py", "misconceptions.py", "00_mini.py"])
def test_a_missing_file_is_said(course, tmp_path, capsys, missing):
    shutil.copytree(course / "solutions" / "00_mini", tmp_path / "solutions" / "00_mini")
    (tmp_path / "solutions" / "00_mini" / missing).unlink()
    assert main(["check-course", "--lab", "00_mini", "--course", str(tmp_path)]) == 1
    captured = capsys.readouterr()
    assert missing in captured.out + captured.err and "Traceback" not in captured.out + captured.err


def test_the_house_style_can_be_asked_for(course, tmp_path, capsys):
    shutil.copytree(course / "solutions", tmp_path / "solutions")
    assert main(["check-course", "--course", str(tmp_path)]) == 0
    assert "1 lab, 2 exercises: nothing to change." in capsys.readouterr().out
    (tmp_path / "nbgrader_config.py").write_text("c = get_config()\nc.CheckCourse.house_style = True\n")
    assert main(["check-course", "--course", str(tmp_path)]) == 1
    said = capsys.readouterr().out
    for part in ("**Time:**", "take away", "Stretch", "prediction", "before double stand three hints"):
        assert part in said
    assert "00_mini.py, line 25: before double stand three hints" in said


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
