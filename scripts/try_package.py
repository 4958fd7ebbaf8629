"""Install what is in dist/ into a clean environment, outside the repository, and use it as students and instructors do.

python -m scripts.try_package          (make package-test)
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).parents[1]
STUDENT = """
import json, pathlib
from helpers.checks import check
from helpers.tiers import tier_of
from helpers.widgets import TemperatureExplorer

def entropy(probs):
    return -(probs * probs.log()).sum(-1)

said = repr(check(entropy))
assert "entropy" in said and "agree" in said, said
assert "nats" in TemperatureExplorer().text() and tier_of("tiny").name == "tiny"
assert len(list(pathlib.Path("my_labs").glob("*/*.ipynb"))) >= 5
"""


def main() -> None:
    """Try the wheel without extras, then the source distribution with the instructors' extra."""
    wheel, sdist = next((ROOT / "dist").glob("*.whl")), next((ROOT / "dist").glob("*.tar.gz"))
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        venv.create(folder / "env", with_pip=True)
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "DISTILLAB"))
        }

        def run(*command: str) -> str:
            command = (str(folder / "env" / "bin" / command[0]), *command[1:])
            done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
            if done.returncode:
                sys.exit(f"{' '.join(command)}\\n{done.stdout}{done.stderr}")
            return done.stdout

        install = ("python", "-m", "pip", "install", "--quiet", "--constraint", str(ROOT / "constraints.txt"))
        run(*install, str(wheel))
        print("wheel:", run("distillab", "--version").strip(), "·", run("distillab", "lab", "--copy-only").strip())
        run("python", "-c", STUDENT)
        print(run("distillab", "progress"))
        run(*install, "--force-reinstall", "--no-deps", str(sdist))
        run(*install, f"distillab[grader] @ {sdist.as_uri()}")
        run("python", "-c", STUDENT)
        print("source distribution with the grader:", run("distillab", "doctor").strip().splitlines()[0])
        course = folder / "course"
        for name in ("solutions", "labs", "docs", "nbgrader_config.py"):
            (course / name).parent.mkdir(exist_ok=True)
            subprocess.run(["cp", "-r", str(ROOT / name), str(course / name)], check=True)
        print(run("distillab", "release", "--course", str(course), "--lab", "01_temperature"))


if __name__ == "__main__":
    main()
