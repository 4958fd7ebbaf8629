"""Every lab runs from top to bottom, solved and as it was released."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest

from helpers.grader.judging.student_kernel import StudentKernel
from helpers.grader.limits import Limits
from helpers.grader.release import instructor_notebook
from tests.labs.common import LABS, lab_of, released

pytestmark = [pytest.mark.sandbox, pytest.mark.slow]


def run_all(notebook: nbformat.NotebookNode, folder: Path) -> list[tuple[str, str]]:
    """Run a notebook's cells in a kernel and return the errors, as cell id and error."""
    errors = []
    with StudentKernel("python3", folder, Limits(output=50 * 2**20)) as kernel:
        for cell in notebook.cells:
            if cell.cell_type == "code":
                ran = kernel.run(cell.source, 120)
                if ran.error and any("image/png" in output.get("data", {}) for output in ran.outputs):
                    errors.append((cell.id, "a half-drawn figure, which nobody gave an alt text"))
                if ran.error or ran.timed_out:
                    errors.append((cell.id, ": ".join(ran.error or ("timed out", ""))))
    return errors


# The others run at full length in test_training_labs.py.
@pytest.mark.parametrize("name", [name for name in LABS if name not in ("03_training", "04_perplexity")])
def test_the_solved_lab_runs_from_top_to_bottom(name, tmp_path):
    assert run_all(instructor_notebook(lab_of(name)), tmp_path) == []


@pytest.mark.parametrize("name", LABS)
def test_the_released_lab_fails_only_where_an_answer_is_missing(name, tmp_path):
    errors = run_all(released(name), tmp_path)
    checks = {f"check_{exercise}" for exercise in lab_of(name).exercises}
    assert errors and not [cell for cell, _ in errors if cell in checks]
    for cell, error in errors:
        assert "is not written yet" in error or error.startswith("NameError"), f"{cell}: {error}"
