"""What pyproject.toml cannot say: the released labs travel in the wheel, so `distillab lab` works without a clone."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent
# A course as `distillab lab` needs it: the labs, the words they use, and the picture on the start page.
COURSE = ("labs/[0-9][0-9]_*/[0-9][0-9]_*.ipynb", "docs/glossary.md", "docs/figures/teacher_student.png")


class BuildWithLabs(build_py):
    """Copies the course beside the package's other assets; an editable install finds it in the clone."""

    def run(self):
        super().run()
        if self.editable_mode:
            return
        for file in sorted(path for pattern in COURSE for path in ROOT.glob(pattern)):
            target = Path(self.build_lib) / "helpers" / "assets" / "course" / file.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)


setup(cmdclass={"build_py": BuildWithLabs})
