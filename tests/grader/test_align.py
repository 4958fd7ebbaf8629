"""Whatever was done to a notebook's cells, the source's checks stand where they are to be judged."""

import nbformat
import pytest

from helpers.grader.align import align, names_bound


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
    assert any("check of double was missing" in note for note in aligned.notes)


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
    assert any("check_double stands more than once" in note for note in aligned.notes)
    nbformat.validate(aligned.notebook)


def test_without_any_metadata_cells_are_known_by_content(mini, notebook):
    made = notebook("def double(values):\n    return values * 2")
    for number, cell in enumerate(made.cells):
        cell.metadata, cell["id"] = nbformat.NotebookNode(), f"x{number}"
    aligned = align(mini, made)
    solution = aligned.notebook.cells[aligned.solutions["double"][0]]
    assert "return values * 2" in solution.source
    assert order(aligned).index("double") == aligned.solutions["double"][0] + 1
    assert any("known by what it defines" in note for note in aligned.notes)


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
