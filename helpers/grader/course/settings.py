"""A course's settings: its `nbgrader_config.py`, which nbgrader reads too."""

from __future__ import annotations

from pathlib import Path

from traitlets.config import Config, PyFileConfigLoader


def course_config(course: Path) -> Config:
    """Return the course's `nbgrader_config.py`, or an empty configuration if there is none."""
    path = Path(course) / "nbgrader_config.py"
    return PyFileConfigLoader(path.name, path=str(path.parent)).load_config() if path.is_file() else Config()
