"""The explorers for pages without Python: one script that holds their modules, and one style sheet.

It is a classic script, because browsers load no ES modules from disk. The modules are those of the notebooks, put in
as `helpers.widgets.page` does.
"""

from __future__ import annotations

import json
import re
from importlib import import_module
from pathlib import Path

from helpers.widgets.base import FOLDER, STYLE
from helpers.widgets.page import as_expression

_WIDGET = re.compile(r'data-widget=\\?"([\w.]+)\\?"')

START = """
for (const node of document.querySelectorAll(".live")) {
  const { widget, state } = node.dataset;
  node.replaceChildren();
  modules[widget].render({ model: new Model(JSON.parse(state)), el: node });
}
"""


def write_explorers(source: Path, static: Path) -> list[str]:
    """Write explorers.js and explorers.css into `static`, with what the pages in `source` use; return its names."""
    pages = [path for kind in ("*.md", "*.ipynb") for path in source.rglob(kind)]
    names = sorted({name for page in pages for name in _WIDGET.findall(page.read_text(encoding="utf-8"))})
    modules = ",\n".join(f"{json.dumps(name)}: {as_expression(source_of(name))}" for name in names)
    model = (FOLDER / "page.js").read_text(encoding="utf-8").partition("const main =")[0]
    script = f"{{\nconst modules = {{\n{modules}\n}};\n{model}{START}}}\n"
    static.mkdir(parents=True, exist_ok=True)
    (static / "explorers.js").write_text(script, encoding="utf-8")
    (static / "explorers.css").write_text(STYLE, encoding="utf-8")
    return names


def source_of(name: str) -> str:
    """Return the JavaScript of a widget's class, by the class's full name."""
    module, _, kind = name.rpartition(".")
    return str(getattr(import_module(module), kind)._esm)
