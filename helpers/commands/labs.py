"""`distillab lab`, `release` and `fetch`: the labs, and what they need on disk."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

from helpers.atomic import write_text
from helpers.commands.common import RESUMABLE, Commands, add_course, fail, missing_extra


def add_lab(commands: Commands) -> None:
    lab = commands.add_parser("lab", help="copy the labs into a working folder and open them in JupyterLab")
    lab.add_argument(
        "--folder", type=Path, default=Path("my_labs"), metavar="DIR", help="working folder (default: my_labs)"
    )
    lab.add_argument("--copy-only", action="store_true", help="copy the labs and open nothing, for example for VS Code")
    add_course(lab)
    lab.set_defaults(run=_lab, needs_grader=False)


def _lab(options: argparse.Namespace) -> int:
    from helpers.setup.launcher import copy_labs, course_or_own, write

    course, folder = course_or_own(options.course), options.folder
    labs = course / "labs"
    if not labs.is_dir():
        return fail(f"there is no folder {labs}. Name the course's folder with --course")
    if not options.copy_only and (missing := missing_extra("lecture", "jupyterlab")):
        return fail(f"{missing}; or copy the labs alone with --copy-only")
    try:
        copied = copy_labs(labs, folder)
        start = write(folder, course)
    except (OSError, ValueError) as problem:
        return fail(str(problem))
    print(f"{len(copied)} new files in {folder}; existing files were not changed")
    if not options.copy_only:
        _open(folder, start.name)
    return 0


def add_progress(commands: Commands) -> None:
    progress = commands.add_parser("progress", help="show what is done in a copy of the labs, and what to do next")
    progress.add_argument(
        "--folder", type=Path, default=None, metavar="DIR", help="copy of the labs (default: here, or my_labs)"
    )
    progress.set_defaults(run=_progress, needs_grader=False)


def _progress(options: argparse.Namespace) -> int:
    from helpers.setup.launcher import cards, standing

    here = Path(".")
    folder = options.folder or next((path for path in (here, here / "my_labs") if cards(path)), here)
    if not cards(folder):
        return fail(f"there are no labs in {folder.resolve()}. Make a copy with: distillab lab --copy-only")
    print(standing(folder))
    return 0


def _open(folder: Path, name: str) -> None:
    """Run JupyterLab in a folder, with one of its notebooks open, until the user quits it.

    It is a student's JupyterLab: no news, nothing of what nbgrader shows to instructors, and a short log.
    """
    from jupyterlab.labapp import main as jupyterlab

    from helpers.checks.progress import FOLDER  # with torch, which takes seconds to import

    settings = folder / FOLDER / "jupyter"
    page = {"disabledExtensions": {"@jupyter/nbgrader": True}}
    defaults = {"@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False}}
    for name_of_file, content in (("page_config", page), ("default_setting_overrides", defaults)):
        write_text(settings / "labconfig" / f"{name_of_file}.json", json.dumps(content))
    others = os.environ.get("JUPYTER_CONFIG_PATH", "")
    os.environ["JUPYTER_CONFIG_PATH"] = os.pathsep.join(filter(None, [str(settings.resolve()), others]))
    jupyterlab(
        [
            f"--notebook-dir={folder}",
            f"--LabApp.default_url=/lab/tree/{name}",
            "--Application.log_level=WARN",
        ]
    )


def add_release(commands: Commands) -> None:
    release = commands.add_parser("release", help="generate the student notebooks in labs/ from solutions/")
    release.add_argument("--lab", nargs="+", metavar="NAME", help="release only these labs (default: all)")
    add_course(release)
    release.set_defaults(run=_release)


def _release(options: argparse.Namespace) -> int:
    from helpers.grader.release import release

    for path, outcome in release(options.course, options.lab).items():
        kept = "kept as it is, because someone has worked in it since its release"
        print(f"{path}: {kept if outcome == 'kept' else outcome}")
    return 0


def add_fetch(commands: Commands) -> None:
    fetch = commands.add_parser("fetch", help="download a tier's teacher; later runs find it on disk")
    fetch.add_argument("tier", choices=["laptop"], help="laptop: SmolLM2-135M-Instruct, 93 MB")
    fetch.set_defaults(run=_fetch, needs_grader=False, stopped=RESUMABLE)


def _fetch(options: argparse.Namespace) -> int:
    from helpers.fetch import FetchError, fetch_laptop

    try:
        fetch_laptop()
    except FetchError as problem:
        return fail(str(problem))
    return 0
