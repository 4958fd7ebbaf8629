"""The presenter: a lecture in scenes, each of which sets one explorer; a clicker steps through them."""

from __future__ import annotations

from typing import Any

from traitlets import Bool, Int, List, validate

from helpers.widgets.base import Explorer, check_range, module_source
from helpers.widgets.temperature import sentences

TEMPERATURE, LOSS, DIVERGENCE, DRAFT = "Temperature explorer", "Loss explorer", "Divergence explorer", "Draft explorer"
TEACHER, STUDENT = [5.0, 3.9, 3.2, 3.1, -1.0], [2.0, 0.5, 1.0, 2.5, 1.5]


def _scenes() -> list[dict[str, Any]]:
    def sentence(prompt: str, temperature: float, **others: Any) -> dict[str, Any]:
        return {"prompt": prompt, **sentences()[prompt], "temperature": temperature, "pinned": {}, **others}

    three = {"prompt": "", "tokens": ["token 1", "token 2", "token 3"], "logits": [5.0, 2.0, 0.5], "pinned": {}}
    drink, arithmetic = "She drank a cup of hot", "Two plus two equals"
    pinned = {"pinned": {"prompt": drink, **sentences()[drink], "temperature": 1.0}}
    position = {"teacher_logits": TEACHER, "student_logits": STUDENT, "label": 1, "temperature": 3.0}
    drafting = {"target_logits": [3.0, 2.0, 1.2, 0.0, -3.0], "draft_logits": [2.0, 2.2, 0.0, 1.5, -1.0], "gamma": 4}
    scenes = [
        (TEMPERATURE, "Three logits at T = 1. What happens at T = 4?", {**three, "temperature": 1.0}),
        (TEMPERATURE, "The order stays; the gaps shrink.", {**three, "temperature": 4.0}),
        (TEMPERATURE, "A real teacher at T = 1: four hot drinks, and much else.", sentence(drink, 1.0)),
        (TEMPERATURE, "The same teacher at T = 2: the target a student sees.", sentence(drink, 2.0, **pinned)),
        (TEMPERATURE, "The teacher can be wrong, and no temperature corrects it.", sentence(arithmetic, 1.0)),
        (LOSS, "Labels and teacher: two terms, one total.", {**position, "alpha": 0.5}),
        (LOSS, "Without T², the soft term all but vanishes at T = 6.", {**position, "alpha": 0.5, "temperature": 6.0}),
        (LOSS, "Hard labels only: every token but “glad” is equally wrong.", {**position, "alpha": 0.0}),
        (DIVERGENCE, "Forward KL covers modes: the student spans both.", {"fit": "forward", "distance": 24.0}),
        (DIVERGENCE, "Reverse KL seeks a mode: the student picks one.", {"fit": "reverse", "distance": 24.0}),
        (DIVERGENCE, "JSD lies between: drag β and see where it jumps.", {"fit": "jsd", "distance": 24.0, "beta": 0.5}),
        (DRAFT, "A draft proposes 4 tokens: how many of them does the target accept?", {**drafting, "cost": 0.0}),
        (DRAFT, "What the draft costs decides whether it pays.", {**drafting, "cost": 0.6}),
    ]
    return [{"explorer": explorer, "text": text, "state": state} for explorer, text, state in scenes]


class Presenter(Explorer):
    """Buttons and keys that step through `scenes`; each scene sets the state of the explorer that it names.

    Args:
        presenting: whether keys work; while it is False, only `p` does.
        scene: index of the current scene.
        scenes: list of {"explorer": its title, "text": what the audience reads, "state": {trait: value}}.
    """

    _esm = module_source("presenter")

    scenes: List[dict[str, Any]] = List().tag(sync=True)
    scene = Int(0).tag(sync=True)
    presenting = Bool(False).tag(sync=True)

    def __init__(self, **options: Any) -> None:
        options.setdefault("scenes", _scenes())
        super().__init__(**options)

    def text(self) -> str:
        """Return the scenes as text."""
        return "\n".join(f"{number}. {scene['text']}" for number, scene in enumerate(self.scenes, start=1))

    @validate("scene")
    def _validate_scene(self, proposal: Any) -> int:
        return int(check_range(proposal["value"], 0, len(self.scenes) - 1, "scene"))
