"""Where the results of `helpers.experiments.laptop` are kept, so that the experiment can be stopped and resumed."""

from __future__ import annotations

import json
from pathlib import Path

from helpers.atomic import write_text
from helpers.experiments.laptop_units import Setting, Unit


class UnitStore:
    """Results of units: a file for each, and those of an earlier result that has the same setting.

    Args:
        setting: Says where the files are.
        described: What results must agree in to be compared (`Materials.described`).
        recorded: An earlier result, made here or on another machine. None, or a file that does not exist, is ignored.
    """

    def __init__(self, setting: Setting, described: dict, recorded: Path | None = None) -> None:
        self.setting = setting
        self._recorded: dict[str, dict] = {}
        if recorded is not None and recorded.exists():
            earlier = json.loads(recorded.read_text(encoding="utf-8"))
            if earlier["setting"] == described:
                self._recorded = earlier["units"]

    def load(self, name: str) -> dict | None:
        """The result of the unit with this name, or None if it has none yet."""
        path = self._path(name)
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else self._recorded.get(name)

    def save(self, unit: Unit, result: dict) -> None:
        """Write the result of a unit; the file is complete whenever it exists."""
        write_text(self._path(unit.name), json.dumps(result, indent=2) + "\n")

    def _path(self, name: str) -> Path:
        folder = self.setting.state if name.startswith("cut/") else self.setting.folder
        return folder / f"{name.replace('/', ' - ')}.json"
