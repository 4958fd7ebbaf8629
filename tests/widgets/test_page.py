"""The page that opens from disk, and the keys of its presenter. What it looks like is tested in tests/browser."""

import json
import re
import subprocess

import pytest
from traitlets import TraitError

from helpers.widgets import Presenter, TemperatureExplorer
from helpers.widgets.base import module_source
from helpers.widgets.page import as_expression, main, render_page
from tests.widgets.test_javascript import NODE


def test_the_page_asks_the_network_for_nothing():
    html = render_page()
    assert not re.findall(
        r"""(?:src|href)\s*=(?!"data:,")|@import|url\(|fetch\(|XMLHttpRequest|\bimport\s*[({*"]""", html
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


def test_every_scene_sets_what_its_explorer_has():
    from helpers.widgets import DivergenceExplorer, DraftExplorer, LossExplorer

    known = {
        "Temperature explorer": TemperatureExplorer,
        "Loss explorer": LossExplorer,
        "Divergence explorer": DivergenceExplorer,
        "Draft explorer": DraftExplorer,
    }
    for scene in Presenter().scenes:
        explorer = known[scene["explorer"]]()
        explorer.set_state(scene["state"])
        for name, value in scene["state"].items():
            assert getattr(explorer, name) == value, scene["text"]


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
        ("5", {}, None),
        ("-", {"typing": True}, None),
        ("PageUp", {}, "previous"),
        ("x", {}, None),
    ],
)
def test_keys(tmp_path, key, focus, action):
    script = f"const {{ pure }} = {as_expression(module_source('presenter'))};"
    script += f"console.log(JSON.stringify(pure.keyAction({json.dumps(key)}, {json.dumps(focus)})))"
    (tmp_path / "keys.js").write_text(script, encoding="utf-8")
    done = subprocess.run([NODE, str(tmp_path / "keys.js")], capture_output=True, text=True)
    assert json.loads(done.stdout) == action, done.stderr
