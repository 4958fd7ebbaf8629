"""`distillab explain`: what was called, what came back and what was expected, for one mark. For instructors only."""

from __future__ import annotations

import argparse
from pathlib import Path

from helpers.commands.common import Commands, add_course, announce


def add_explain(commands: Commands) -> None:
    explain = commands.add_parser("explain", help="show what was called and what came back for one student's mark")
    explain.add_argument("--output", type=Path, required=True, metavar="DIR", help="folder that `grade` wrote to")
    explain.add_argument("student", metavar="STUDENT")
    explain.add_argument("lab", metavar="LAB")
    explain.add_argument("exercise", metavar="EXERCISE", nargs="?", default="", help="default: all that failed")
    explain.add_argument("case", metavar="CASE", nargs="?", default="", help="default: the cases that failed")
    explain.add_argument("--html", type=Path, metavar="FILE", help="write a page instead of text")
    explain.add_argument(
        "--snippet", type=Path, metavar="FILE", help="write a script that calls the first of the cases"
    )
    explain.add_argument(
        "--unsafe", action="store_true", help="run the notebook without a sandbox, with your own permissions"
    )
    add_course(explain)
    explain.set_defaults(run=_explain)


def _explain(options: argparse.Namespace) -> int:
    announce("Judging again in the sandbox")
    from helpers.atomic import write_text
    from helpers.grader.course.settings import course_config
    from helpers.grader.preprocessor import Judge
    from helpers.grader.reports.explanation import as_page, as_text, explanation, snippet
    from helpers.grader.run.explain import Question, explain
    from helpers.grader.sandbox.kernelspecs import UNSAFE_KERNEL

    judge = Judge(config=course_config(options.course))
    question = Question(options.student, options.lab, options.exercise, options.case)
    kernel_name = UNSAFE_KERNEL if options.unsafe else judge.kernel_name
    answer = explain(options.course, options.output, question, judge.limits, kernel_name)
    explained = [
        explanation(answer.lab, options.student, case, replayed, answer.row(case)) for case, replayed in answer.replayed
    ]
    if options.html:
        write_text(options.html, as_page(explained), private=True)
    if options.snippet:
        text = snippet(answer.lab, options.student, answer.judgement, answer.replayed[0][0])
        write_text(options.snippet, text, private=True)
    for path in (options.html, options.snippet):
        if path:
            print(f"Wrote {path}. It holds hidden inputs: keep it from students.")
    if not (options.html or options.snippet):
        print(as_text(explained))
    return 0
