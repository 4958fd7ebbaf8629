"""The class report: one HTML file for the instructor on what the class can do, what to teach again, whom to look at.

Everything is computed from the judgements alone, so that the same judgements give the same file. Difficulty and
discrimination are those of classical test theory: the mean share of an exercise's points, and the correlation of an
exercise with the rest of its lab (item-rest correlation). Every text is escaped by jinja2; charts are inline SVG.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from statistics import fmean, median
from typing import Any
from urllib.parse import quote

from helpers.grader.course.lab import Lab
from helpers.grader.judging.judgement import Judgement
from helpers.grader.notes import NoteCode
from helpers.grader.reports.feedback import TEMPLATES, WORDS, clean, number
from helpers.grader.reports.gradebook import exercise_verdict
from helpers.grader.reports.similarity import Alike, known_runs, near_identical

HARD, EASY = 0.3, 0.9  # of the points, on average: below and above these an exercise tells little about the class
SEPARATES = 0.2  # item-rest correlation from which an exercise is commonly taken to tell students apart
FEWEST = 5  # submissions from which a correlation is shown
EYE = ("crash", "denied", "timeout", "memory")
DOUBTFUL = (  # notes on cells that may have been taken for the wrong exercise
    NoteCode.CELL_FOUND_BY_DEFINITION,
    NoteCode.CELL_FOUND_BY_QUESTION,
    NoteCode.CELL_REPEATED,
    NoteCode.CHECK_PUT_BACK,
)
SLOWEST = 5


def class_report(graded: Iterable[tuple[str, Judgement]], labs: Mapping[str, Lab], links: Mapping[str, str]) -> str:
    """Return the report's HTML. `labs`: by name; `links`: where the released notebook of each lab lies."""
    graded = list(graded)
    by_lab: dict[str, list[tuple[str, Judgement]]] = {name: [] for name in sorted(labs)}
    for student, judgement in graded:
        by_lab.setdefault(judgement.lab, []).append((student, judgement))
    unplaced = by_lab.pop("", [])
    sections = [_section(labs[name], found, links.get(name, "")) for name, found in by_lab.items() if found]
    page = TEMPLATES.get_template("class_report.html").render(
        sections=sections,
        unplaced=[{"student": student, "why": _refusal(judgement)} for student, judgement in unplaced],
        students=len({student for student, _ in graded}),
        submissions=len(graded),
        constants={"hard": HARD, "easy": EASY, "separates": SEPARATES, "fewest": FEWEST},
    )
    return clean(page)


def released_links(course: Path, output: Path, labs: Iterable[str]) -> dict[str, str]:
    """Return the link from the output folder to each released lab's notebook."""
    found = {name: Path(course).resolve() / "labs" / name / f"{name}.ipynb" for name in labs}
    return {name: quote(os.path.relpath(path, Path(output).resolve())) for name, path in found.items()}


def _refusal(judgement: Judgement) -> str:
    return next((f"{row.verdict}: {row.note}" for row in judgement.rows if not row.exercise), "")


def _section(lab: Lab, graded: list[tuple[str, Judgement]], link: str) -> dict[str, Any]:
    judged = [(student, judgement) for student, judgement in graded if not _refusal(judgement)]
    total = sum(exercise.points for exercise in lab.exercises.values())
    marks = [sum(row.points or 0.0 for row in judgement.rows) for _, judgement in judged]
    shares = [mark / total for mark in marks]
    times = [judgement.seconds for _, judgement in judged]
    alike = near_identical({student: judgement.code for student, judgement in judged}, known_runs(lab))
    return {
        "lab": lab.name,
        "judged": len(judged),
        "refused": len(graded) - len(judged),
        "points": number(total),
        "mean": number(fmean(marks)) if marks else "",
        "median": number(median(marks)) if marks else "",
        "least": number(min(marks)) if marks else "",
        "most": number(max(marks)) if marks else "",
        "marks": _histogram(shares, [place / 10 for place in range(11)], _percent),
        "exercises": exercise_statistics(lab, [judgement for _, judgement in judged]),
        "misconceptions": misconceptions(lab, [judgement for _, judgement in judged], link),
        "times": _histogram(times, _time_edges(times), lambda edge: f"{edge:g} s"),
        "time_median": f"{median(times):.1f}" if times else "",
        "slowest": sorted(((round(judgement.seconds, 1), student) for student, judgement in judged), reverse=True)[
            :SLOWEST
        ],
        "look": look_at(lab, graded, alike),
        "alike": bool(alike),
        "waiting": sum(row.verdict == "manual" and not row.note for _, judgement in judged for row in judgement.rows),
    }


# ------------------------------------------------------------------------------------------------- what is known of it


def exercise_statistics(lab: Lab, judged: list[Judgement]) -> list[dict[str, Any]]:
    """Return each exercise's difficulty (mean share of its points), discrimination (item-rest correlation), verdicts.

    The discrimination is None where fewer than `FEWEST` were judged, or where all have the same marks.
    """
    scores = {
        name: [sum(row.points or 0.0 for row in judgement.of(name)) for judgement in judged] for name in lab.exercises
    }
    totals = [sum(scores[name][place] for name in lab.exercises) for place in range(len(judged))]
    found = []
    for name, exercise in lab.exercises.items():
        rest = [total - own for total, own in zip(totals, scores[name], strict=True)]
        difficulty = fmean(scores[name]) / exercise.points if judged else None
        discrimination = correlation(scores[name], rest) if len(judged) >= FEWEST else None
        verdicts: dict[str, int] = {}
        for judgement in judged:
            verdict = exercise_verdict(judgement.of(name))
            verdicts[verdict] = verdicts.get(verdict, 0) + 1
        found.append(
            {
                "name": name,
                "heading": exercise.heading,
                "difficulty": difficulty,
                "percent": _percent(difficulty) if difficulty is not None else "–",
                "discrimination": discrimination,
                "r": f"{discrimination:+.2f}".replace("-", "−") if discrimination is not None else "–",
                "remark": _remark(difficulty, discrimination),
                "verdicts": ", ".join(f"{count} {WORDS[verdict]}" for verdict, count in sorted(verdicts.items())),
            }
        )
    return found


def correlation(one: list[float], other: list[float]) -> float | None:
    """Return Pearson's correlation; None where it is not defined because one of the two does not vary."""
    mean_one, mean_other = fmean(one), fmean(other)
    together = sum((a - mean_one) * (b - mean_other) for a, b in zip(one, other, strict=True))
    spread = math.sqrt(sum((a - mean_one) ** 2 for a in one) * sum((b - mean_other) ** 2 for b in other))
    return together / spread if spread > 1e-9 else None


def _remark(difficulty: float | None, discrimination: float | None) -> str:
    if difficulty is None:
        return ""
    said = ["hard for this class"] if difficulty < HARD else ["easy for this class"] if difficulty > EASY else []
    if discrimination is not None and discrimination < SEPARATES and HARD <= difficulty <= EASY:
        said.append("does not go with the rest of the lab: look at its wording and its cases")
    return "; ".join(said)


def misconceptions(lab: Lab, judged: list[Judgement], link: str) -> list[dict[str, Any]]:
    """Return the misconceptions that were seen, the most frequent first, with the share of the judged submissions."""
    counts: dict[tuple[str, str], int] = {}
    for judgement in judged:
        for named in {(row.exercise, row.misconception) for row in judgement.rows if row.misconception}:
            counts[named] = counts.get(named, 0) + 1
    known = {(name, item.name): item for name, exercise in lab.exercises.items() for item in exercise.misconceptions}
    return [
        {
            "exercise": exercise,
            "name": name.replace("_", " "),
            "count": count,
            "share": count / len(judged),
            "percent": _percent(count / len(judged)),
            "diagnosis": known[exercise, name].diagnosis,
            "read": known[exercise, name].read,
            "link": heading_link(link, known[exercise, name].read),
        }
        for (exercise, name), count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        if (exercise, name) in known
    ]


def heading_link(notebook: str, heading: str) -> str:
    """Return the link to a heading in a notebook, with the anchor that Jupyter gives it."""
    return f"{notebook}#{quote(heading.replace(' ', '-'))}" if notebook else ""


def look_at(lab: Lab, graded: list[tuple[str, Judgement]], alike: list[Alike]) -> list[dict[str, Any]]:
    """Return the submissions that want a person's eye, with the reasons."""
    reasons: dict[str, list[str]] = {}
    for student, judgement in graded:
        own = [f"could not be judged – {_refusal(judgement)}"] if _refusal(judgement) else []
        for name in lab.exercises:
            ended = {row.verdict for row in judgement.of(name)} & set(EYE)
            own += [f"{name} {WORDS[verdict]}" for verdict in EYE if verdict in ended]
        own += [note.text for note in judgement.notes if note.code in DOUBTFUL]
        if own:
            reasons[student] = own
    for group in alike:
        for student in group.students:
            others = ", ".join(other for other in group.students if other != student)
            said = f"nearly the same answers as {others} ({_percent(group.share)}: {', '.join(group.exercises)})"
            reasons.setdefault(student, []).append(said)
    return [{"student": student, "reasons": reasons[student]} for student in sorted(reasons)]


# -------------------------------------------------------------------------------------------------------------- charts


def _histogram(values: list[float], edges: list[float], label: Any) -> dict[str, Any]:
    """Return the counts between edges, the last one included, with what a reader learns from them as text."""
    counts = [0] * (len(edges) - 1)
    for value in values:
        place = next((i for i in range(len(counts)) if value < edges[i + 1]), len(counts) - 1)
        counts[place] += 1
    tallest = max(counts, default=0) or 1
    bars = [
        {"from": label(edges[i]), "to": label(edges[i + 1]), "count": count, "height": round(100 * count / tallest, 1)}
        for i, count in enumerate(counts)
    ]
    return {
        "bars": bars,
        "tallest": tallest,
        "alt": "; ".join(f"{bar['from']} to {bar['to']}: {bar['count']}" for bar in bars if bar["count"]),
    }


def _time_edges(times: list[float]) -> list[float]:
    """Return ten equal steps of a round width that reach past the longest time."""
    longest = max(times, default=1.0) or 1.0
    width = next(step * 10**power for power in range(-2, 5) for step in (1, 2, 5) if step * 10**power * 10 > longest)
    return [round(width * place, 6) for place in range(11)]


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
