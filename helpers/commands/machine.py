"""`distillab doctor` and `demo`: what this computer can do."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from helpers.commands.common import Commands, add_course


def add_doctor(commands: Commands) -> None:
    doctor = commands.add_parser("doctor", help="show which protections this computer offers for grading")
    doctor.set_defaults(run=_doctor)


def _doctor(options: argparse.Namespace) -> int:
    from helpers.grader.sandbox.doctor import isolates, report
    from helpers.grader.sandbox.kernelspecs import install_kernels

    print(report())
    if isolates():
        install_kernels()
    return 0


def add_demo(commands: Commands) -> None:
    demo = commands.add_parser("demo", help="release the labs, grade a synthetic class and distil a teacher")
    demo.add_argument("--output", type=Path, default=Path("demo"), metavar="DIR", help="output folder (default: demo)")
    add_course(demo)
    demo.set_defaults(run=_demo)


def _demo(options: argparse.Namespace) -> int:
    start = time.perf_counter()
    steps = "release the labs, grade a class of eleven, distil a teacher, write a page"
    print(f"The demo does four things: {steps}. It takes one to two minutes.", flush=True)
    from helpers.commands.demo_page import write_demo_page
    from helpers.grader.demo import demo

    page = write_demo_page(options.output, *demo(options.course, options.output))
    print(f"   page      {page.resolve().as_uri()}\n\nDone in {time.perf_counter() - start:.0f} s.")
    return 0
