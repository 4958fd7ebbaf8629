"""The three explorers as one HTML file that opens from disk, without a network and without Python.

    python -m helpers.widgets.page [FILE]          (default: distillab.html)

The page holds the explorers' own modules and a small model in place of the one that Jupyter gives them.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from helpers.widgets import DivergenceExplorer, LossExplorer, Presenter, TemperatureExplorer
from helpers.widgets.base import FOLDER, STYLE, Explorer, module

EXPLORERS = {"temperature": TemperatureExplorer, "loss": LossExplorer, "divergence": DivergenceExplorer}


def as_function(source: str) -> str:
    """Return a module without imports as an expression for what it exports by default."""
    before, mark, after = source.rpartition("export default ")
    if not mark or "\nimport " in source:
        raise ValueError("the module must import nothing and end in one `export default`")
    return f"(() => {{\n{before}return {after}\n}})()"


def page(explorers: Sequence[tuple[str, Explorer]] | None = None, *, presenter: bool = True) -> str:
    """Return the page's HTML. explorers: (module name, explorer that gives the state to start from), default: all."""
    explorers = explorers or [(name, kind()) for name, kind in EXPLORERS.items()]
    explorers = [*explorers, ("presenter", Presenter())] if presenter else explorers
    states = [[name, explorer.state()] for name, explorer in explorers]
    names = sorted({name for name, _ in explorers})
    modules = ",\n".join(f"{json.dumps(name)}: {as_function(module(name))}" for name in names)
    script = f"const modules = {{\n{modules}\n}};\nconst states = {json.dumps(states)};\n{START}"
    text = (FOLDER / "page.html").read_text(encoding="utf-8")
    # </script> inside a text would end the element early
    return text.replace("/* STYLE */", STYLE).replace("/* SCRIPT */", script.replace("</script", "<\\/script"))


START = (FOLDER / "page.js").read_text(encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(description="Write the explorers as one HTML file that opens from disk.")
    parser.add_argument("file", nargs="?", type=Path, default=Path("distillab.html"))
    file = parser.parse_args(arguments).file
    file.write_text(page(), encoding="utf-8")
    print(f"{file}: {file.stat().st_size / 1000:.0f} kB; open it in a browser, no network is needed")


if __name__ == "__main__":
    main()
