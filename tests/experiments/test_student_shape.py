"""helpers.experiments.student_shape: which states are matched, and an experiment that goes on where it stopped."""

import json

import pytest

from helpers.experiments import student_shape
from helpers.experiments.shape_training import matching, new_student


@pytest.mark.parametrize(
    ("layers", "expected"), [(1, {0: 0, 1: 2}), (2, {0: 0, 1: 1, 2: 2}), (4, {0: 0, 1: 0, 2: 1, 3: 2, 4: 2})]
)
def test_both_ends_are_matched_with_both_ends(layers, expected):
    projections, layer_map = matching(new_student(layers, 8, seed=0), teacher_states=3)
    assert layer_map == expected and len(projections) == layers + 1
    assert (projections[0].in_features, projections[0].out_features) == (8, 96)


def test_a_part_that_is_written_is_not_run_again(tmp_path, monkeypatch):
    ran, path = [], tmp_path / "student_shape.json"

    def two_parts(result):
        yield "group", "first", lambda: ran.append("first") or 1
        yield "group", "second", lambda: ran.append("second") or 2

    monkeypatch.setattr(student_shape, "parts", two_parts)
    student_shape.main(path)
    kept = json.loads(path.read_text())
    del kept["group"]["second"]
    path.write_text(json.dumps(kept))
    student_shape.main(path)
    assert ran == ["first", "second", "second"] and json.loads(path.read_text())["group"] == {"first": 1, "second": 2}
    path.write_text(json.dumps(kept | {"setting": {"seeds": [7]}}))
    student_shape.main(path)
    assert ran[3:] == ["first", "second"], "a result of another setting is of no use"


def test_equal_sizes_of_pruned_students():
    sizes = {
        name: sum(weight.numel() for weight in make(0).parameters())
        for name, make in student_shape.pruned_starts().items()
    }
    assert max(sizes.values()) < 1.01 * min(sizes.values())
