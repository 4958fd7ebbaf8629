"""A course's settings: its `nbgrader_config.py`, which nbgrader reads too, and what it says of marks."""

from __future__ import annotations

from pathlib import Path

from traitlets.config import Config, LazyConfigValue, PyFileConfigLoader

from helpers.grader.errors import GraderError

FILE = "nbgrader_config.py"


def course_config(course: Path) -> Config:
    """Return the course's `nbgrader_config.py`, or an empty configuration if there is none."""
    path = Path(course) / FILE
    return PyFileConfigLoader(path.name, path=str(path.parent)).load_config() if path.is_file() else Config()


def carries_through(course: Path) -> bool:
    """Return whether what is wrong only because of an earlier exercise gets its own points: `c.Judge.carry_through`."""
    return bool(course_config(course).Judge.get("carry_through", True))


def asks_house_style(course: Path) -> bool:
    """Return whether labs have to follow the house style: `c.CheckCourse.house_style`."""
    return bool(course_config(course).CheckCourse.get("house_style", False))


def case_weights(course: Path, lab: str) -> dict[str, float]:
    """Return the weights that the course gives to cases of a lab in place of their own, by “exercise/case”.

    They stand in `c.Judge.case_weights`, by “lab/exercise/case”. Raises GraderError for one that is no weight.
    """
    weights = course_config(course).Judge.get("case_weights", {})
    weights = weights.get_value({}) if isinstance(weights, LazyConfigValue) else weights
    for name, weight in weights.items():
        is_number = isinstance(weight, (int, float)) and not isinstance(weight, bool)
        is_case = name.count("/") == 2 and (Path(course) / "solutions" / name.split("/")[0]).is_dir()
        if not is_case or not is_number or not weight >= 0:
            raise GraderError(
                f"{FILE}: c.Judge.case_weights has {name!r}: {weight!r}. Write the names of a lab, an exercise and a "
                "case, and a number of at least 0, for example {'02_loss/hard_loss/word_zero': 0}."
            )
    return {name.removeprefix(f"{lab}/"): weight for name, weight in weights.items() if name.startswith(f"{lab}/")}
