"""The scenes of the lecture: what the audience reads, what the lecturer says, and how long it takes."""

from __future__ import annotations

from typing import Any

from helpers.widgets.temperature import sentences

TITLES = ["Temperature explorer", "Loss explorer", "Divergence explorer", "Draft explorer", "Figures"]
TEMPERATURE, LOSS, DIVERGENCE, DRAFT, FIGURES = TITLES
TEACHER, STUDENT = [5.0, 3.9, 3.2, 3.1, -1.0], [2.0, 0.5, 1.0, 2.5, 1.5]

Scene = tuple[str, int, str, dict[str, Any], str]  # explorer, minutes, text, state, notes


def scenes() -> list[dict[str, Any]]:
    """Return the scenes in order: {"explorer", "minutes", "text", "state", "notes"}."""
    keys = ("explorer", "minutes", "text", "state", "notes")
    return [dict(zip(keys, scene, strict=True)) for scene in (*_temperature(), *_loss(), *_divergence(), *_later())]


def _temperature() -> list[Scene]:
    def sentence(prompt: str, temperature: float, **others: Any) -> dict[str, Any]:
        return {
            "prompt": prompt,
            **sentences()[prompt],
            "temperature": temperature,
            "pinned": {},
            "top_k": 10,
            **others,
        }

    three = {"prompt": "", "tokens": ["token 1", "token 2", "token 3"], "logits": [5.0, 2.0, 0.5], "pinned": {}}
    drink, arithmetic = "She drank a cup of hot", "Two plus two equals"
    pinned = {"pinned": {"prompt": drink, **sentences()[drink], "temperature": 1.0}, "top_k": 5}
    return [
        (
            TEMPERATURE,
            3,
            "Three logits at T = 1. What happens at T = 4?",
            {**three, "temperature": 1.0},
            "Let the room vote before you go on: does the order change? Does the smallest probability grow?",
        ),
        (
            TEMPERATURE,
            2,
            "The order stays; the gaps shrink.",
            {**three, "temperature": 4.0},
            "Drag T to both ends. Small T: one token takes everything. Large T: all tokens become equal.",
        ),
        (
            TEMPERATURE,
            2,
            "A real teacher at T = 1: four hot drinks, and much else.",
            sentence(drink, 1.0),
            "A label names one drink. The teacher says that coffee and tea would have been right too.",
        ),
        (
            TEMPERATURE,
            2,
            "The same teacher at T = 2: the target a student sees.",
            sentence(drink, 2.0, **pinned),
            "Striped bars: T = 1. Ask where the mass went, then point to the effective number of choices.",
        ),
        (
            TEMPERATURE,
            2,
            "The teacher can be wrong, and no temperature corrects it.",
            sentence(arithmetic, 1.0),
            "Temperature keeps the order of the tokens, so a wrong top token stays on top. Lab 01 ends here.",
        ),
    ]


def _loss() -> list[Scene]:
    position = {"teacher_logits": TEACHER, "student_logits": STUDENT, "label": 1, "temperature": 3.0}
    return [
        (
            LOSS,
            3,
            "Labels and teacher: two terms, one total.",
            {**position, "alpha": 0.5},
            "Left: both distributions. Right: the gradient of each term. Drag a student's bar and watch the total.",
        ),
        (
            LOSS,
            2,
            "Without T², the soft term all but vanishes at T = 6.",
            {**position, "alpha": 0.5, "temperature": 6.0},
            "Compare the first two series on the right. The soft gradient shrinks with about 1/T²; T² restores it.",
        ),
        (
            LOSS,
            2,
            "Hard labels only: every token but “glad” is equally wrong.",
            {**position, "alpha": 0.0},
            "The label pushes “happy” down as hard as its probability asks. Raise α: the teacher defends it.",
        ),
    ]


def _divergence() -> list[Scene]:
    return [
        (
            DIVERGENCE,
            2,
            "Forward KL covers modes: the student spans both.",
            {"fit": "forward", "distance": 24.0},
            "Forward KL punishes a student that gives no mass to what the teacher does. So it covers everything.",
        ),
        (
            DIVERGENCE,
            2,
            "Reverse KL seeks a mode: the student picks one.",
            {"fit": "reverse", "distance": 24.0},
            "Ask which of the two students should write text, and which should estimate probabilities.",
        ),
        (
            DIVERGENCE,
            2,
            "JSD lies between: drag β and see where it jumps.",
            {"fit": "jsd", "distance": 24.0, "beta": 0.5},
            "The best student changes at once, not gradually: there are two local optima.",
        ),
    ]


def _later() -> list[Scene]:
    """Labs 06 to 09: a drawn picture for each, then what was measured."""
    drafting = {"target_logits": [3.0, 2.0, 1.2, 0.0, -3.0], "draft_logits": [2.0, 2.2, 0.0, 1.5, -1.0], "gamma": 4}
    return [
        (
            FIGURES,
            2,
            "A teacher behind an API: what does it return?",
            {"figure": "black box"},
            "Lab 06. All logits, some log-probabilities, or only text: each allows another loss.",
        ),
        (
            FIGURES,
            2,
            "Twenty log-probabilities are nearly as good as all; five are not.",
            {"figure": "access"},
            "One dot for each of three seeds, at its own best learning rate. Text at T = 1 beats the top five.",
        ),
        (
            FIGURES,
            2,
            "Who writes the text that the student learns from?",
            {"figure": "on-policy loop"},
            "Lab 07. A student that only reads others' text never sees its own mistakes.",
        ),
        (
            FIGURES,
            3,
            "With forward KL and JSD, fresh text wins, whoever writes it.",
            {"figure": "writers"},
            "The missing control: new text of the language. Its seeds overlap with those of the student's own text.",
        ),
        (
            FIGURES,
            2,
            "A draft proposes, the target checks: the text stays the target's.",
            {"figure": "speculative round"},
            "Lab 08. Rejected tokens are drawn anew from the residual, so the distribution does not change.",
        ),
        (
            DRAFT,
            3,
            "Four drafted tokens: how many does the target accept?",
            {**drafting, "cost": 0.0},
            "Acceptance is Σ min(p, q). Drag a bar of the draft towards the target and watch tokens a round.",
        ),
        (
            DRAFT,
            2,
            "What the draft costs decides whether it pays.",
            {**drafting, "cost": 0.6},
            "Raise the cost until every γ falls below 1. Then press “Best γ”.",
        ),
        (
            FIGURES,
            2,
            "A trained draft pays; an untrained draft costs more than it saves.",
            {"figure": "drafts"},
            "Measured at γ = 4; 1 is plain generation. The draft costs 0.4 of a target's call here.",
        ),
        (
            FIGURES,
            1,
            "Which student? The same number of weights has many shapes.",
            {"figure": "student shapes"},
            "Lab 09. Deep and narrow, or shallow and wide; new, or cut from the teacher.",
        ),
        (
            FIGURES,
            2,
            "Which three of six layers you keep matters, even after repair.",
            {"figure": "cuts"},
            "Every cut was trained for the same number of steps. The second half alone stays far away.",
        ),
    ]
