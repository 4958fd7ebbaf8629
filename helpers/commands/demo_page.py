"""The page that the demo ends in: class report, one student's feedback, the perplexities as a plot, the explorers."""

from __future__ import annotations

import html
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from helpers.atomic import write_text
from helpers.plots.drawing import COLORS
from helpers.widgets.page import render_page

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Distillab: the demo</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ margin: 0 auto; padding: 1rem; max-width: 60rem; font: 16px/1.5 system-ui, sans-serif; }}
ul {{ padding-left: 1.2rem; }}
li {{ margin-bottom: 0.6rem; }}
img {{ max-width: 100%; background: #fff; border-radius: 6px; }}
</style>
</head>
<body>
<h1>Distillab: the demo</h1>
<p>A class of eleven handed in two labs. Six students made a known mistake, one notebook never ends, one is cut off.
All were graded in a sandbox, and a teacher was distilled into a student.</p>
<ul>
<li><a href="{report}">The class report</a>: what to teach again, and how each exercise went.</li>
<li><a href="{feedback}">One student's feedback</a>: what was called, what came back, and the likely cause.</li>
<li><a href="explorers.html">The explorers</a>: drag a temperature, a loss, a divergence.
Press <kbd>p</kbd> for the talk.</li>
<li><a href="graded/grades.csv">All marks</a>, a row for each case; those for Canvas and Moodle lie beside it.</li>
</ul>
<h2>Did the teacher help?</h2>
<p><img src="perplexity.svg" alt="{alt}"></p>
<p>{alt}</p>
<p>Next: <code>make lab</code> opens a working copy of the labs in JupyterLab.</p>
</body>
</html>
"""


def write_demo_page(output: Path, feedback: Path, distilled: Mapping[str, Any]) -> Path:
    """Write index.html, with the plot and the explorers beside it, into the demo's folder; return its path.

    Args:
        output: the demo's folder, which holds `graded/`.
        feedback: the page of one student's feedback, in `output`.
        distilled: what `compare_students` returned.
    """
    alt = draw_perplexities(distilled, output / "perplexity.svg")
    write_text(output / "explorers.html", render_page())
    links = {"report": "graded/class_report.html", "feedback": feedback.relative_to(output).as_posix()}
    page = PAGE.format(alt=html.escape(alt), **{name: html.escape(link) for name, link in links.items()})
    write_text(output / "index.html", page)
    return output / "index.html"


def draw_perplexities(distilled: Mapping[str, Any], file: Path) -> str:
    """Draw the perplexity of each model as SVG; return what the plot says."""
    names = {"truth": "truth (the floor)", "teacher": "teacher", "before": "student before"}
    points = {label: distilled[name]["perplexity"]["value"] for name, label in names.items()}
    points |= {f"student, {name}": arm["perplexity"]["mean"] for name, arm in distilled["arms"].items()}
    figure = Figure(figsize=(8, 3), layout="constrained")
    axes = figure.subplots()
    for place, value in enumerate(points.values()):
        axes.plot([value], [place], "o", color=COLORS[place], markeredgecolor="black", markersize=10)
        axes.annotate(f"  {value:.2f}", (value, place), va="center")
        axes.axhline(place, color="#bbbbbb", linewidth=0.6, zorder=0)
    axes.set(yticks=range(len(points)), yticklabels=list(points), ylim=(len(points) - 0.5, -0.5))
    axes.set_xlabel("perplexity on held-out text (lower is better)")
    axes.margins(x=0.12)
    figure.savefig(file, format="svg")
    return "Perplexity: " + ", ".join(f"{label} {value:.2f}" for label, value in points.items()) + "."
