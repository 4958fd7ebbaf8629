"""What was measured, in one table: docs/measured.md, written from results/*.json.

    python -m benchmarks.summary          (the last thing that `make bench` does)

A line stands there for each measure whose result is there; a goal that was missed says so.
"""

import json
from collections.abc import Callable
from pathlib import Path

RESULTS, PAGE = Path("results"), Path("docs/measured.md")
HEAD = """# What was measured

Written by `python -m benchmarks.summary` from the files in `results/`, each of which `make bench` writes anew on your
machine. Times differ between machines; compare ratios.

| what | measured | goal | met | file |
| --- | --- | --- | --- | --- |
"""
Line = tuple[str, str, str, bool | None]  # what, measured, goal, whether it was met (None where there is no goal)


def grading(found: dict) -> list[Line]:
    what = f"class graded per minute, against stock `nbgrader autograde` (same marks: {found['same_marks']})"
    rates = f"{found['ours']['per_minute']:.0f} against {found['stock']['per_minute']:.1f} submissions: "
    return [(what, f"{rates}{found['ratio']:.1f}×", "≥ 12×", found["ratio"] >= 12)]


def grading_scale(found: dict) -> list[Line]:
    small, large = found["runs"][0], found["runs"][-1]
    lost = sum(run["submissions"] - run["judged"] for run in found["runs"])
    what = f"{large['submissions']} submissions on a Dask cluster, a worker killed half-way: cost of one, against"
    measured = f"{found['cost_ratio']:.2f}×, {lost} lost; the grader's peak {large['peak_memory_of_the_grader_mb']} MB"
    met = found["cost_ratio"] <= 1.1 and not lost and large["worker_killed"]
    return [(f"{what} {small['submissions']}", measured, "≤ 1.1×, none lost", met)]


def attacks(found: dict) -> list[Line]:
    ours, stock = found["distillab"], found["stock nbgrader"]
    measured = (
        f"{ours['right']} of {ours['of']}; stock {stock['right']} of the {stock['of']} that are safe to run on it"
    )
    return [("hostile submissions that end as they should", measured, "all", ours["right"] == ours["of"])]


def training_speed(found: dict) -> list[Line]:
    ratios = found["ratios"]
    lines: list[Line] = []
    for other, name in (("padded loop", "the usual padded loop"), ("trl", "TRL's GKDTrainer")):
        speed, goal = ratios["speed"][other], ratios["goals"][other]
        measured = (
            f"{speed['distill, kept answers, two passes']:.1f}× over two passes, {speed['distill']:.1f}× with the "
            f"teacher at each step, {speed['distill, kept answers, later passes']:.1f}× from the second pass on"
        )
        lines.append(
            (f"useful tokens/s of training, against {name}", measured, f"≥ {goal}×", ratios["goals_met"][other])
        )
    share, goal = ratios["share_of_matrix_rate"], ratios["goals"]["share of the matrix rate"]
    met = ratios["goals_met"]["share of the matrix rate"]
    lines.append(("share of the processor's matrix rate in training", f"{share:.0%}", f"≥ {goal:.0%}", met))
    return lines


def loss_memory(found: dict) -> list[Line]:
    setting, differ = found["setting"], max(found["largest_relative_difference"].values())
    size = f"{setting['tokens']:,} tokens × {setting['vocabulary']:,} words"
    what = f"peak memory of the loss, {size}, against the plain formula"
    return [
        (what, f"{found['share_of_plain_peak']:.2f}, equal to {differ:.0e}", "≤ 0.2, equal to 1e-5", found["goal_met"])
    ]


def widget_frames(found: dict) -> list[Line]:
    explorer = found["explorer"]
    frame = max(each["p95"] for each in explorer["frame_ms"])
    whole = found["growth"]["after"]["between_frames_ms"]["p95"]
    between = max(each["p95"] for each in explorer["between_frames_ms"])
    still = found["empty_page"]["between_frames_ms"]["p95"]
    redrawn = [each["median"] for each in found["ipywidgets_and_matplotlib"]["event_to_picture_ms"]]
    other = f"ipywidgets with matplotlib take {min(redrawn):.0f} ms and more for a picture"
    what = f"temperature explorer, {found['bars']} bars, while it is dragged: p95, the slowest of three rounds"
    return [
        (f"{what}: work for a frame", f"{frame} ms; {other}", "≤ 16.7 ms", frame <= 16.7),
        (
            f"the same, {found['growth']['moves']:,} moves without waiting for a display: p95 from frame to frame",
            f"{whole} ms, painting included",
            "≤ 16.7 ms",
            whole <= 16.7,
        ),
        (f"{what}: from frame to frame, display at 60 Hz", f"{between} ms; an empty page {still} ms", "", None),
    ]


def lab_seconds(found: dict) -> list[Line]:
    return [
        (
            f"solved lab, top to bottom, {found['tier']} tier: {names}",
            f"{sum(found['labs'][name] for name in names.split(' and ')):.0f} s",
            f"< {goal} s",
            found["goals_met"][names],
        )
        for names, goal in found["goals"].items()
    ]


def tiny_distillation(found: dict) -> list[Line]:
    arms = found["arms"]
    nats = {name: sum(run["distance"] for run in arm["runs"]) / len(arm["runs"]) for name, arm in arms.items()}
    measured = ", ".join(f"{name} {value:.3f}" for name, value in nats.items())
    what = f"nats a token from the truth, mean of {len(found['setting']['seeds'])} seeds, tiny tier, equal steps"
    return [(what, measured, "", None)]


def chain_of_thought_laptop(found: dict) -> list[Line]:
    right = {name: arm["accuracy"] for name, arm in found["arms"].items()}
    measured = ", ".join(
        f"{name} {each['value']:.0%} ({each['low']:.0%}–{each['high']:.0%})" for name, each in right.items()
    )
    what = f"{found['setting']['held_out']} held-out problems right, {found['model']} distilled into itself"
    return [(what, measured, "", None)]


SECTIONS: dict[str, Callable[[dict], list[Line]]] = {
    each.__name__: each
    for each in (
        grading,
        grading_scale,
        attacks,
        training_speed,
        loss_memory,
        widget_frames,
        lab_seconds,
        tiny_distillation,
        chain_of_thought_laptop,
    )
}


def page(results: Path = RESULTS) -> str:
    """Return the page for the results in a folder."""
    text = HEAD
    measured_on: dict[str, list[str]] = {}
    for name, lines_of in SECTIONS.items():
        file = results / f"{name}.json"
        if not file.exists():
            continue
        found = json.loads(file.read_text(encoding="utf-8"))
        for what, measured, goal, met in lines_of(found):
            text += (
                f"| {what} | {measured} | {goal} | {'' if met is None else 'yes' if met else '**no**'} | `{name}` |\n"
            )
        machine = found["machine"]
        units = ", ".join(machine["units"]) or "none of AVX2, AVX-512 and AMX" if "units" in machine else ""
        kind = f"{machine['cores']} cores of {machine['model']} ({units})" if units else f"{machine['cores']} cores"
        measured_on.setdefault(f"{kind}, torch {machine['torch']}", []).append(f"`{name}`")
    where = "\n".join(f"- {kind}: {', '.join(names)}" for kind, names in measured_on.items())
    return f"{text}\nMeasured on:\n\n{where}\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(page())
