"""The presenter: a lecture of a few scenes, each of which sets one explorer, stepped through with a clicker's keys."""

from __future__ import annotations

from typing import Any

from traitlets import Bool, Int, List, validate

from helpers.widgets.base import Explorer, between, module
from helpers.widgets.temperature import sentences

TEMPERATURE, LOSS, DIVERGENCE = "Temperature explorer", "Loss explorer", "Divergence explorer"
TEACHER, STUDENT = [5.0, 3.9, 3.2, 3.1, -1.0], [2.0, 0.5, 1.0, 2.5, 1.5]


def _scenes() -> list[dict[str, Any]]:
    def sentence(prompt: str, temperature: float, **others: Any) -> dict[str, Any]:
        return {"prompt": prompt, **sentences()[prompt], "temperature": temperature, "pinned": {}, **others}

    example = {"prompt": "", "tokens": ["token 1", "token 2", "token 3"], "logits": [5.0, 2.0, 0.5], "pinned": {}}
    cup, sums = "She drank a cup of hot", "Two plus two equals"
    pinned = {"pinned": {"prompt": cup, **sentences()[cup], "temperature": 1.0}}
    token = {"teacher_logits": TEACHER, "student_logits": STUDENT, "label": 1, "temperature": 3.0}
    told = [
        (TEMPERATURE, "Three logits, T = 1. What happens at T = 4?", {**example, "temperature": 1.0}),
        (TEMPERATURE, "The order stays, the distances shrink.", {**example, "temperature": 4.0}),
        (TEMPERATURE, "A real teacher at T = 1: four hot drinks, and much else.", sentence(cup, 1.0)),
        (TEMPERATURE, "The same at T = 2: what a student gets to see.", sentence(cup, 2.0, **pinned)),
        (TEMPERATURE, "The teacher can be wrong, and no temperature mends that.", sentence(sums, 1.0)),
        (LOSS, "Labels and teacher: two terms, one total.", {**token, "alpha": 0.5}),
        (LOSS, "Without T², T = 6 makes the soft term vanish.", {**token, "alpha": 0.5, "temperature": 6.0}),
        (LOSS, "Labels alone: everything but “glad” is equally wrong.", {**token, "alpha": 0.0}),
        (DIVERGENCE, "Forward KL covers: the student lies over both.", {"fit": "forward", "distance": 24.0}),
        (DIVERGENCE, "Reverse KL picks: the student takes one.", {"fit": "reverse", "distance": 24.0}),
        (DIVERGENCE, "In between: drag β and watch where it jumps.", {"fit": "jsd", "distance": 24.0, "beta": 0.5}),
    ]
    return [{"explorer": explorer, "text": text, "state": state} for explorer, text, state in told]


class Presenter(Explorer):
    """Buttons and keys that step through `scenes`; every explorer on the page that a scene names takes its state.

    presenting: keys work only while it is True. scene: number of the present one, from 0. scenes: list of
    {"explorer": its title, "text": what the room reads, "state": {name: value}}. `?` shows the keys.
    """

    _esm = module("presenter")

    scenes = List().tag(sync=True)
    scene = Int(0).tag(sync=True)
    presenting = Bool(False).tag(sync=True)

    def __init__(self, **options: Any) -> None:
        options.setdefault("scenes", _scenes())
        super().__init__(**options)

    def text(self) -> str:
        """Return the scenes as text."""
        return "\n".join(f"{place + 1}. {scene['text']}" for place, scene in enumerate(self.scenes))

    @validate("scene")
    def _in_range(self, proposal: Any) -> int:
        return int(between(proposal["value"], 0, len(self.scenes) - 1, "scene"))
