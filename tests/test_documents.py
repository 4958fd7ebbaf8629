"""README, CONTRIBUTING, docs and labs name only modules, files and functions that exist."""

import pkgutil
import re
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
LABS = sorted((ROOT / "labs").glob("*/*.ipynb"))
SCRIPTS = [path for folder in ("solutions", "benchmarks", "scripts") for path in sorted((ROOT / folder).rglob("*.py"))]
SETTINGS = [ROOT / name for name in ("Makefile", "environment.yml", "nbgrader_config.py", "pyproject.toml")]


def text_of(path: Path) -> str:
    """The text of a file; of a notebook, what stands in its cells."""
    if path.suffix == ".ipynb":
        return "\n".join(cell.source for cell in nbformat.read(path, as_version=4).cells)
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", PAGES + LABS + SCRIPTS + SETTINGS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_module_that_is_named_exists(path):
    missing = []
    for name in sorted(set(re.findall(r"\bhelpers(?:\.[A-Za-z_]\w*)+", text_of(path)))):
        try:
            pkgutil.resolve_name(name)
        except (ImportError, AttributeError):
            missing.append(name)
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_file_that_a_page_names_exists(page):
    text = page.read_text(encoding="utf-8")
    linked = [target for target in re.findall(r"\]\(([^)#]+)[^)]*\)", text) if ":" not in target]
    assert [target for target in linked if not (page.parent / target).exists()] == []
    folders = "helpers|tests|solutions|labs|benchmarks|docs|results|scripts"
    named = re.findall(rf"`((?:{folders})/[\w./-]*)`", text)
    assert [name for name in named if "NN_name" not in name and not (ROOT / name).exists()] == []


def test_every_function_that_contributing_names_stands_in_a_file_that_it_names():
    """Also after a rename: each name in code that is no path is defined in a file of helpers/ or is a word of make."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    names = {name for name in re.findall(r"`(\w+)`", prose) if name != "NN_name"}
    sources = [path for kind in ("*.py", "*.js") for path in (ROOT / "helpers").rglob(kind)]
    code = "\n".join(path.read_text(encoding="utf-8") for path in sources)
    defined = set(re.findall(r"(?:^|\n)\s*(?:def|class|function|const) (\w+)", code)) | set(
        re.findall(r"(?:^|\n)([A-Z_]+) = ", code)
    )
    local = {"set", "QUIZZES"}  # what syncState gives to an explorer; what a lab names so
    assert names - defined - local == set()


def test_a_name_stands_in_the_file_that_contributing_says():
    text = " ".join((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").split())
    claims = re.findall(r"`(\w+)` in `(helpers/[\w./]+\.(?:py|js))`", text)
    assert len(claims) > 15
    missing = [
        (name, path)
        for name, path in claims
        if not re.search(
            rf"\b(?:def|class|function|const) {name}\b|^{name} = ", (ROOT / path).read_text(), re.MULTILINE
        )
    ]
    assert missing == []


def test_the_glossary_has_two_sentences_for_each_word_in_order():
    text = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    entries = re.findall(r"^\*\*(.+?)\*\* \((\d\d)\)\. (.+?)(?=\n\n|\Z)", text, re.MULTILINE | re.DOTALL)
    assert len(entries) == len(re.findall(r"^\*\*", text, re.MULTILINE)) > 60
    names = [name.lower().replace("²", "") for name, _, _ in entries]
    assert names == sorted(names)
    for name, lab, said in entries:
        assert len(re.findall(r"[.?](?=\s|$)", said)) == 2, name
        assert list((ROOT / "labs").glob(f"{lab}_*")), name
    seen = re.findall(r"[Ss]ee \*([^*]+)\*", text) + re.findall(r"\band \*([^*]+)\*", text)
    assert {word.lower() for word in seen} <= set(names)
