"""Finished units of an experiment in one JSON file, so that the experiment can be stopped and started again."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from helpers.atomic import write_text


class UnitStore:
    """Results by the name of their unit.

    Args:
        path: the file; it is created with the first result.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)

    def unit(self, name: str, run: Callable[[], Any]) -> Any:
        """The result that is kept under this name; if there is none, what `run` returns, which is then kept."""
        if name not in self._read():
            result = run()
            self._write(name, result)
            print(name, "is done", flush=True)
        return self._read()[name]

    def _read(self) -> dict[str, Any]:
        return json.loads(self.path.read_text(encoding="utf-8")) if self.path.exists() else {}

    def _write(self, name: str, result: Any) -> None:
        write_text(self.path, json.dumps(self._read() | {name: result}, indent=2) + "\n")
