"""Three walls find the package's files by themselves: each covers all of it, wherever its own module stands."""

import importlib.util
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import helpers
from helpers.grader.course import digest, forbidden_imports
from helpers.grader.sandbox import root
from helpers.paths import PACKAGE


def modules():
    """Every module of the package, as Python finds them, with its file."""
    names = ["helpers"] + [info.name for info in pkgutil.walk_packages(helpers.__path__, "helpers.")]
    specs = (importlib.util.find_spec(name) for name in names)
    return {spec.name: Path(spec.origin) for spec in specs}


def missing_from_the_closure():
    """Modules that the forbidden-imports closure does not look at; students have no use for the grader's."""
    students = {name for name in modules() if not name.startswith("helpers.grader")}
    return students - set(forbidden_imports.module_imports(forbidden_imports.PACKAGE))


def missing_from_the_sandbox():
    """Modules that a kernel in the sandbox could not read."""
    readable = root.readable_paths()
    return {name for name, file in modules().items() if not any(file.is_relative_to(path) for path in readable)}


def missing_from_the_digest():
    """Modules that could change without a judgement being made anew."""
    return set(modules().values()) - set(digest.code_files())


WALLS = {
    "closure": (forbidden_imports, missing_from_the_closure),
    "sandbox": (root, missing_from_the_sandbox),
    "digest": (digest, missing_from_the_digest),
}


@pytest.mark.parametrize("wall", WALLS)
def test_a_wall_covers_the_whole_package(wall):
    assert len(modules()) > 80 and WALLS[wall][1]() == set()


@pytest.mark.parametrize("wall", WALLS)
@pytest.mark.parametrize("folder", ["grader", "checks"])
def test_a_wall_that_shrinks_is_noticed(wall, folder, monkeypatch):
    module, missing = WALLS[wall]
    monkeypatch.setattr(module, "PACKAGE", PACKAGE / folder)
    assert missing()


def test_the_sandbox_shows_nothing_else_of_the_project():
    readable = [Path(path) for path in root.readable_paths()]
    hidden = [PACKAGE.parent, *(PACKAGE.parent / name for name in ("solutions", "labs", "tests", "gradebook.db"))]
    assert [path for path in hidden if any(path.is_relative_to(other) for other in readable)] == []


def test_the_package_is_found_where_a_course_makes_it_a_namespace():
    """In a course whose folder helpers/ has only the checks' numbers, Python may take `helpers` for a namespace."""
    code = """if True:
        import helpers
        helpers.__file__ = None
        from helpers.grader.course import digest, forbidden_imports
        from helpers.grader.sandbox import root
        print(len(digest.code_files()), len(forbidden_imports.module_imports(forbidden_imports.PACKAGE)))
    """
    done = subprocess.run([sys.executable, "-c", code], cwd=PACKAGE.parent, capture_output=True, text=True)
    counts = [len(digest.code_files()), len(forbidden_imports.module_imports(PACKAGE))]
    assert done.stdout.split() == list(map(str, counts)), done.stderr
