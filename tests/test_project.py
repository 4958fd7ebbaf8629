"""What holds the project together: one list of dependencies, released labs that fit their source, a small core."""

import ast
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
COLAB = {
    "torch": "2.11.0",
    "transformers": "5.15.0",
    "ipywidgets": "7.7.1",
    "matplotlib": "3.10.0",
    "datasets": "4.0.0",
}


def parts(version):
    return [int(part) for part in re.findall(r"\d+", version)[:3]]


def test_conda_users_get_what_pyproject_says():
    text = (ROOT / "environment.yml").read_text()
    wanted = re.findall(r"^ +- (.+)$", text, re.MULTILINE)
    assert wanted == [
        "conda-forge",
        f"python{PROJECT['requires-python']}",
        "pip",
        "pip:",
        "-c constraints.txt",
        "-e .[all]",
    ]


def test_the_ranges_admit_colab():
    lowest = dict(re.fullmatch(r"([\w-]+)>=([\d.]+)", entry).groups() for entry in PROJECT["dependencies"])
    for name, version in COLAB.items():
        assert parts(lowest[name]) <= parts(version), name
    assert parts(PROJECT["requires-python"]) <= [3, 13]


def test_the_core_pulls_in_neither_grader_nor_jupyterlab():
    names = {re.match(r"[\w-]+", entry)[0] for entry in PROJECT["dependencies"]}
    assert not names & {"nbgrader", "jupyterlab", "notebook", "jupytext", "nbconvert", "nbclient"}


def test_every_dependency_has_a_pinned_version():
    pinned = {
        line.split("==")[0].lower().replace("_", "-") for line in (ROOT / "constraints.txt").read_text().splitlines()
    }
    wanted = PROJECT["dependencies"] + [
        entry for name, extra in PROJECT["optional-dependencies"].items() if name != "all" for entry in extra
    ]
    assert {re.match(r"[\w-]+", entry)[0] for entry in wanted} <= pinned


@pytest.mark.parametrize("package", ["data", "engine", "experiments", "reasoning", "setup"])
def test_a_package_with_answers_in_it_re_exports_nothing(package):
    """Else forbidding one module would forbid the package: see `helpers/grader/course/forbidden_imports.py`."""
    body = ast.parse((ROOT / "helpers" / package / "__init__.py").read_text()).body
    assert all(isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) for node in body)
