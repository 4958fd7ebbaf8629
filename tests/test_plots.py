"""helpers.plots: every figure goes out once, with its alt text, in a form that readers' programs honour."""

import base64
from html import escape
from html.parser import HTMLParser

import matplotlib
import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest
from matplotlib.figure import Figure
from nbclient import NotebookClient
from nbconvert import HTMLExporter

from helpers import plots
from helpers.plots import COLORS, HATCHES, LINES, as_html, bars, lines, show

matplotlib.use("agg")

ALT = 'Two bars: "a" is 1 < 2, and b is 2.'
CELL = f"""
import matplotlib.pyplot as plt
from helpers.plots import bars, show
figure, axes = plt.subplots()
bars(axes, ["a", "b"], {{"seen": [1, 2]}})
show(figure, alt={ALT!r})
"""


class Images(HTMLParser):
    """Collects the alt text of every image in an HTML text."""

    def __init__(self, html):
        super().__init__()
        self.alts = []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        if tag == "img":
            self.alts.append(dict(attributes).get("alt"))


@pytest.fixture(scope="module")
def notebook():
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(CELL)])
    return NotebookClient(notebook, kernel_name="python3").execute()


def test_a_notebook_gets_the_figure_once(notebook):
    (output,) = notebook.cells[0].outputs
    assert output.output_type == "display_data"
    assert base64.b64decode(output.data["image/png"]).startswith(b"\x89PNG")


def test_the_alt_text_is_in_every_form_of_the_figure(notebook):
    (output,) = notebook.cells[0].outputs
    assert Images(output.data["text/html"]).alts == [ALT]
    assert output.metadata["image/png"]["alt"] == ALT
    assert ALT in output.data["text/plain"]


def test_html_made_from_the_notebook_keeps_the_alt_text(notebook):
    html, _ = HTMLExporter(template_name="lab").from_notebook_node(notebook)
    assert ALT in Images(html).alts


def test_plain_python_prints_the_text_and_closes_the_figure(capsys):
    figure = plt.figure()
    show(figure, alt=ALT)
    assert ALT in capsys.readouterr().out
    assert not plt.fignum_exists(figure.number)


def test_html_for_a_widget_has_the_alt_text_and_closes_the_figure():
    figure = plt.figure()
    assert Images(as_html(figure, alt=ALT)).alts == [ALT]
    assert not plt.fignum_exists(figure.number)


def test_a_figure_follows_a_dark_page():
    assert "distillab-figure" in as_html(plt.figure(), alt=ALT)


@pytest.mark.parametrize("way", [show, as_html])
@pytest.mark.parametrize("alt", ["", "  \n"])
def test_a_figure_without_alt_text_is_refused(way, alt):
    with pytest.raises(ValueError, match="alt is empty"):
        way(plt.figure(), alt=alt)
    plt.close("all")


def test_bars_stand_in_groups_without_overlap():
    _, axes = plt.subplots()
    heights = {"first": [1.0, 2.0, 3.0], "second": [4.0, 5.0, 6.0], "third": [7.0, 8.0, 9.0]}
    bars(axes, ["a", "b", "c"], heights)
    drawn = {group.get_label(): group for group in axes.containers}
    assert {name: [bar.get_height() for bar in group] for name, group in drawn.items()} == heights
    spans = sorted((bar.get_x(), bar.get_x() + bar.get_width()) for bar in axes.patches)
    assert all(end <= start + 1e-9 for (_, end), (start, _) in zip(spans, spans[1:], strict=False))
    assert all(round((start + end) / 2) == place // 3 for place, (start, end) in enumerate(spans))
    plt.close("all")


def ink(figure, labels, *shown):
    """The pixels, `(height, width)` bool, that differ where these labels are shown and no others."""
    pictures = []
    for visible in (shown, ()):
        for label in labels:
            label.set_visible(label in visible)
        figure.canvas.draw()
        pictures.append(np.array(figure.canvas.buffer_rgba()))
    return (pictures[0] != pictures[1]).any(axis=2)


@pytest.mark.parametrize(
    ("names", "turned"),
    [
        (["proud", "accomplished", "lucky"] * 4, True),
        (["the teacher itself", "labels and teacher", "hard labels only"] * 3, True),
        (["the teacher itself", "a"], False),
        (["b", "c"], False),
    ],
)
def test_names_never_overlap_and_are_upright_where_there_is_room(names, turned):
    figure, axes = plt.subplots(figsize=(9, 3))
    bars(axes, names, {"one": [1.0] * len(names)})
    labels = axes.get_xticklabels()
    assert {label.get_rotation() for label in labels} == {30.0 if turned else 0.0}
    inked = sum(ink(figure, labels, label).astype(int) for label in labels)
    assert inked.max() == 1, "no pixel belongs to two names"
    plt.setp(labels, rotation=0, ha="center", visible=True)
    boxes = [label.get_window_extent() for label in labels]
    apart = all(left.x1 < right.x0 for left, right in zip(boxes, boxes[1:], strict=False))
    assert apart is not turned, "turned only if they would overlap upright"
    plt.close("all")


def test_series_differ_in_colour_and_in_pattern():
    _, axes = plt.subplots()
    bars(axes, ["a"], {str(place): [1.0] for place in range(len(COLORS))})
    looks = [(bar.get_facecolor(), bar.get_hatch()) for bar in axes.patches]
    assert len({colour for colour, _ in looks}) == len({hatch for _, hatch in looks}) == len(COLORS)
    assert len(HATCHES) == len(LINES) == len(COLORS)
    plt.close("all")


def test_lines_differ_in_colour_and_in_dashes():
    _, axes = plt.subplots()
    lines(axes, [1, 2], {str(place): [place, place + 0.5] for place in range(len(COLORS))})
    drawn = axes.get_lines()
    assert [list(line.get_ydata()) for line in drawn] == [[place, place + 0.5] for place in range(len(COLORS))]
    assert len({line.get_color() for line in drawn}) == len(COLORS)
    assert len({str(line._unscaled_dash_pattern) for line in drawn}) == len(COLORS)
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [str(place) for place in range(len(COLORS))]
    plt.close("all")


@pytest.mark.parametrize("draw", [bars, lines])
@pytest.mark.parametrize(
    ("heights", "message"),
    [({"short": [1.0]}, "has 1 numbers; it needs 2"), ({str(n): [1.0, 1.0] for n in range(9)}, "9 series")],
)
def test_series_that_do_not_fit_are_refused(draw, heights, message):
    _, axes = plt.subplots()
    with pytest.raises(ValueError, match=message):
        draw(axes, ["a", "b"], heights)
    plt.close("all")


def test_no_figure_is_drawn_while_a_class_is_graded(monkeypatch, capsys):
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    monkeypatch.setattr(Figure, "savefig", lambda *a, **k: pytest.fail("a figure was drawn"))
    show(plt.figure(), ALT)
    assert ALT in capsys.readouterr().out and as_html(plt.figure(), ALT) == f"<p>Figure: {escape(ALT)}</p>"
    assert not plt.get_fignums()


HALVES = {"one": [0.25, 0.75], "other": [0.5, 0.5]}


@pytest.mark.parametrize(
    ("name", "arguments", "told"),
    [
        ("distributions", (["a", "b"], HALVES, "Two"), "Two: bars for the tokens a, b. one: 0.25, 0.75; other:"),
        ("against_temperature", ([0.1, 1.0, 10.0], {"cup": [0.1, 0.2, 0.3]}, 0.5, "entropy"), "“cup”: 0.10 at T = 0.1"),
        ("share_of_the_stored", ([1.0, 2.0], HALVES), "at T = 1, 2. “one”: 0.25, 0.75"),
        ("fitted_students", ([0.5, 0.5], HALVES), "one: peak 0.75 at token 1"),
        ("kl_and_cross_entropy", ([0.0, 1.0], {"KL": [0.7, 0.0]}, 0.6), "KL 0.00 at c = 1.00"),
        ("soft_term_by_length", ([1, 10], HALVES), "for S = 1, 10, both axes logarithmic. one: 0.2, 0.8"),
        ("gradient_against_temperature", ([1.0, 2.0], [1.0, 0.5], [1.0, 0.125], 2.0), "without T²: 1 to 0.12"),
        ("two_runs", ({1.0: HALVES, 0.5: HALVES},), "α = 0.5, one: 0.75"),
    ],
)
def test_each_named_figure_says_its_values_and_leaves_none_open(name, arguments, told, capsys):
    getattr(plots, name)(*arguments)
    assert told in capsys.readouterr().out and not plt.get_fignums()
