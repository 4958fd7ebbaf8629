"""The page that opens from disk, and the keys of its presenter. What it looks like is tested in tests/browser."""

import json
import re
import subprocess

import pytest
from traitlets import TraitError

from helpers.widgets import Figures, Presenter, TemperatureExplorer
from helpers.widgets.base import module_source
from helpers.widgets.figures import stored_figures
from helpers.widgets.page import EXPLORERS, as_expression, main, render_page
from helpers.widgets.presenter.scenes import TITLES
from scripts.lecture_figures import figures
from tests.widgets.test_javascript import NODE


def test_the_page_asks_the_network_for_nothing():
    html = render_page()
    assert not re.findall(
        r"""(?:src|href)\s*=(?!"data:,")|@import|url\((?!#)|fetch\(|XMLHttpRequest|\bimport\s*[({*"]""", html
    )
    assert "https://" not in html and html.count("<script") == html.count("</script>") == 1


def test_a_text_cannot_end_the_script_early():
    explorer = TemperatureExplorer(logits=[1.0, 2.0], tokens=["</script><b>", "x"])
    html = render_page([("temperature", explorer)], presenter=False)
    assert html.count("</script") == 1 and "<\\/script><b>" in html


def test_a_module_becomes_a_function_that_gives_what_it_exports(tmp_path):
    script = f"console.log(Object.keys({as_expression(module_source('temperature')).strip()}).join())"
    (tmp_path / "page.js").write_text(script, encoding="utf-8")
    done = subprocess.run([NODE, str(tmp_path / "page.js")], capture_output=True, text=True)
    assert done.stdout.strip() == "render,pure", done.stderr
    with pytest.raises(ValueError, match="import nothing"):
        as_expression("const a = 1;")


def test_the_command_writes_the_page(tmp_path, capsys):
    main([str(tmp_path / "page.html")])
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == render_page()
    assert "no network is needed" in capsys.readouterr().out


def test_every_scene_sets_what_its_explorer_has_and_says_what_the_lecturer_needs():
    known = {title: kind for title, kind in zip(TITLES, [*EXPLORERS.values(), Figures], strict=True)}
    for scene in Presenter().scenes:
        explorer = known[scene["explorer"]]()
        explorer.set_state(scene["state"])
        for name, value in scene["state"].items():
            assert getattr(explorer, name) == value, scene["text"]
        assert scene["minutes"] > 0 and len(scene["notes"]) > 40, scene["text"]
    assert sum(scene["minutes"] for scene in Presenter().scenes) == 45  # README and site say so
    assert {scene["state"].get("figure") for scene in Presenter().scenes} - {None} == set(stored_figures())
    assert f"const TITLES = {json.dumps(TITLES)};" in module_source("presenter")


def test_the_lectures_figures_are_those_of_docs_and_results():
    assert stored_figures() == figures(), "run `make figures`"


def test_a_figure_has_a_text_form_and_a_name_that_exists():
    shown = Figures(figure="drafts")
    assert "teacher only: 1.43, 1.33, 1.42" in shown.text()
    with pytest.raises(TraitError, match="it must be one of black box, access"):
        shown.figure = "absent"


def test_the_presenter_stays_within_its_scenes():
    presenter = Presenter()
    with pytest.raises(TraitError, match="scene is 99"):
        presenter.scene = 99


@pytest.mark.parametrize(
    ("key", "focus", "action"),
    [
        ("PageDown", {}, "next"),
        ("PageDown", {"sliding": True}, "next"),  # a clicker works whatever has the focus
        ("ArrowRight", {}, "next"),
        ("ArrowRight", {"sliding": True}, None),  # a slider keeps its arrow keys
        ("2", {"typing": True}, None),
        ("2", {}, "show 2"),
        ("4", {}, "show 4"),
        ("5", {}, "show 5"),
        ("6", {}, None),
        ("End", {}, "last"),
        ("End", {"sliding": True}, None),
        ("s", {}, "window"),
        ("-", {"typing": True}, None),
        ("PageUp", {}, "previous"),
        ("x", {}, None),
    ],
)
def test_keys(tmp_path, key, focus, action):
    assert evaluated(tmp_path, "presenter", f"pure.keyAction({json.dumps(key)}, {json.dumps(focus)})") == action


def evaluated(folder, module: str, expression: str):
    """Return the value of a JavaScript expression in which `pure` is what a module offers to tests."""
    script = f"const {{ pure }} = {as_expression(module_source(module))};console.log(JSON.stringify({expression}))"
    (folder / "script.js").write_text(script, encoding="utf-8")
    done = subprocess.run([NODE, str(folder / "script.js")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_timer_says_whether_the_lecture_is_late(tmp_path):
    scenes = json.dumps([{"minutes": 3}, {"minutes": 2}, {}])
    said = evaluated(tmp_path, "presenter", f"pure.pace({scenes}, 1, 245.9, true)")
    assert said == "4:05; this scene ends at 5:00, the lecture at 5:00"
    assert "4:05 (stopped)" in evaluated(tmp_path, "presenter", f"pure.pace({scenes}, 0, 245, false)")


def test_the_axis_of_a_figure_holds_every_value(tmp_path):
    whole = "pure.axis([0.0044, 0.095], true).ticks.concat([0.0044, 0.095].map(pure.axis([0.0044, 0.095], true).share))"
    *ticks, low, high = evaluated(tmp_path, "figures", whole)
    assert (
        ticks == [0.001, 0.01, 0.1]
        and low == pytest.approx(0.3217, abs=1e-4)
        and high == pytest.approx(0.9889, abs=1e-4)
    )
    assert evaluated(tmp_path, "figures", "pure.axis([0.67, 1.58], false, 1).ticks") == [0, 0.5, 1, 1.5, 2]
