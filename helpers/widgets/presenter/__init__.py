"""The presenter: a lecture in scenes, each of which sets one explorer; a clicker steps through them."""

from __future__ import annotations

from typing import Any

from traitlets import Bool, Int, List, validate

from helpers.widgets.base import Explorer, check_range, module_source
from helpers.widgets.presenter.scenes import scenes as lecture


class Presenter(Explorer):
    """Buttons and keys that step through `scenes`; each scene sets the state of the explorer that it names.

    Args:
        presenting: whether keys work; while it is False, only `p` does.
        scene: index of the current scene.
        scenes: list of {"explorer": its title, "text": what the audience reads, "state": {trait: value}, and
            optionally "notes": what the lecturer reads, "minutes": how long the scene takes}.
    """

    _esm = module_source("presenter")

    scenes: List[dict[str, Any]] = List().tag(sync=True)
    scene = Int(0).tag(sync=True)
    presenting = Bool(False).tag(sync=True)

    def __init__(self, **options: Any) -> None:
        options.setdefault("scenes", lecture())
        super().__init__(**options)

    def text(self) -> str:
        """Return the scenes as text, each with its minutes and notes."""
        return "\n".join(
            f"{number}. {scene['text']} ({scene.get('minutes', 0)} min) {scene.get('notes', '')}".rstrip()
            for number, scene in enumerate(self.scenes, start=1)
        )

    @validate("scene")
    def _validate_scene(self, proposal: Any) -> int:
        return int(check_range(proposal["value"], 0, len(self.scenes) - 1, "scene"))
