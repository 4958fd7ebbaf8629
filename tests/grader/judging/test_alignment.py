"""Whatever was done to a notebook's cells, the source's checks stand where they are to be judged."""

import nbformat
import pytest

from helpers.grader.judging.alignment import align, names_bound
from helpers.grader.notes import Note, NoteCode


def order(aligned):
    return [aligned.checks.get(place, cell.id) for place, cell in enumerate(aligned.notebook.cells)]


def place_of(made, name):
    return next(place for place, cell in enumerate(made.cells) if cell.id == name)


def test_an_untouched_notebook_keeps_its_order(mini, notebook):
    aligned = align(mini, notebook())
    assert order(aligned).index("double") < order(aligned).index("Average")
    assert aligned.notes == [] and sorted(aligned.checks.values()) == ["Average", "double"]
    assert aligned.notebook.cells[place_of(aligned.notebook, "check_double")].source == "check(double)"


def test_a_deleted_check_is_put_back_after_its_exercise(mini, notebook):
    made = notebook()
    del made.cells[place_of(made, "check_double")]
    aligned = align(mini, made)
    ids = [cell.id for cell in aligned.notebook.cells]
    assert ids[ids.index("double") + 1] == "check_double"
    assert aligned.notes == [Note.of(NoteCode.CHECK_PUT_BACK, exercise="double")]


def test_a_check_before_its_exercise_moves_behind_it(mini, notebook):
    made = notebook()
    made.cells.insert(0, made.cells.pop(place_of(made, "check_double")))
    ids = [cell.id for cell in align(mini, made).notebook.cells]
    assert ids.index("check_double") == ids.index("double") + 1


def test_an_edited_check_is_the_sources_again(mini, notebook):
    made = notebook()
    cell = made.cells[place_of(made, "check_double")]
    cell.source, cell.metadata.nbgrader["points"] = "print('passed')", 400
    cell.metadata["tags"] = ["skip-execution"]
    found = align(mini, made).notebook.cells[place_of(align(mini, made).notebook, "check_double")]
    assert found.source == "check(double)" and found.metadata.nbgrader.points == 4 and "tags" not in found.metadata


def test_a_cell_that_stands_twice_is_taken_once_and_said(mini, notebook):
    made = notebook()
    made.cells += [made.cells[place_of(made, "check_double")], made.cells[place_of(made, "double")]]
    aligned = align(mini, made)
    ids = [cell.id for cell in aligned.notebook.cells]
    assert ids.count("check_double") == 1 and len(set(ids)) == len(ids)
    assert aligned.notes == [Note.of(NoteCode.CELL_REPEATED, cell=name) for name in ("check_double", "double")]
    nbformat.validate(aligned.notebook)


def test_without_any_metadata_cells_are_known_by_content(mini, notebook):
    made = notebook("def double(values):\n    return values * 2")
    for number, cell in enumerate(made.cells):
        cell.metadata, cell["id"] = nbformat.NotebookNode(), f"x{number}"
    aligned = align(mini, made)
    solution = aligned.notebook.cells[aligned.solutions["double"][0]]
    assert "return values * 2" in solution.source
    assert order(aligned).index("double") == aligned.solutions["double"][0] + 1
    assert Note.of(NoteCode.CELL_FOUND_BY_DEFINITION, exercise="double") in aligned.notes


LAST = nbformat.v4.new_code_cell("double = double(torch.ones(2))", id="last")
AGAIN = nbformat.v4.new_code_cell("def double(values):\n    return values * 3", id="again")


def judged_at(made, mini, lost):
    """The sources before the check of `double`, and that of the cell taken for the answer."""
    if lost:
        for number, cell in enumerate(made.cells):
            cell.metadata, cell["id"] = nbformat.NotebookNode(), f"x{number}"
    aligned = align(mini, made)
    sources = [cell.source for cell in aligned.notebook.cells]
    place = next(place for place, exercise in aligned.checks.items() if exercise == "double")
    return sources[:place], [sources[found] for found in aligned.solutions["double"]]


@pytest.mark.parametrize("where", ["at the end", "after the check", "before the check"])
@pytest.mark.parametrize("added", [LAST, AGAIN], ids=["assigned", "written"])
def test_with_and_without_ids_an_answer_is_judged_in_the_same_place(mini, notebook, added, where):
    outcomes = []
    for lost in (False, True):
        made = notebook("def double(values):\n    return values * 2")
        at = {"at the end": len(made.cells), "after the check": place_of(made, "check_double") + 1}
        made.cells.insert(at.get(where, place_of(made, "check_double")), nbformat.from_dict(added))
        outcomes.append(judged_at(made, mini, lost))
    assert outcomes[0][0] == outcomes[1][0]
    if where != "before the check" or added is LAST:
        assert outcomes[0][1] == outcomes[1][1] and "return values * 2" in outcomes[1][1][0]


def test_without_ids_and_check_what_is_written_goes_before_what_is_assigned(mini, notebook):
    made = notebook("def double(values):\n    return values * 2")
    del made.cells[place_of(made, "check_double")]
    made.cells.append(nbformat.from_dict(LAST))
    before, answers = judged_at(made, mini, lost=True)
    assert "return values * 2" in answers[0] and before[-1] == answers[0]


def test_without_ids_a_check_before_its_exercise_moves_behind_it(mini, notebook):
    made = notebook("def double(values):\n    return values * 2")
    made.cells.insert(0, made.cells.pop(place_of(made, "check_double")))
    before, answers = judged_at(made, mini, lost=True)
    assert "return values * 2" in answers[0] and before[-1] == answers[0]


def test_a_flipped_cell_type_is_restored(mini, notebook):
    made = notebook()
    made.cells[place_of(made, "double")] = nbformat.v4.new_raw_cell(
        "def double(values):\n    return 1", id="double", metadata={"nbgrader": {"grade_id": "double", "grade": True}}
    )
    cell = align(mini, made).notebook.cells[place_of(align(mini, made).notebook, "double")]
    assert cell.cell_type == "code" and not cell.metadata.nbgrader.grade


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("def f(x):\n    y = 1", {"f"}),
        ("class C: pass\nimport a.b as c, d.e", {"C", "c", "d"}),
        ("x, (y, z) = 1, (2, 3)\nfor i in x: w = 1", {"x", "y", "z", "i", "w"}),
        ("def broken(:\n", {"broken"}),
        ("%matplotlib inline\ndef f(): pass", {"f"}),
    ],
)
def test_names_a_cell_binds(source, names):
    assert names_bound(nbformat.v4.new_code_cell(source)) == names
