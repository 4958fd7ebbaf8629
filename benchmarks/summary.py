"""Writes docs/measured.md: one table of all measurements, from results/*.json.

    python -m benchmarks.summary          (the last step of `make bench`)

Each result that exists contributes its rows; a goal that was missed is marked **no**.
"""

import json
from collections.abc import Callable
from pathlib import Path

RESULTS, PAGE = Path("results"), Path("docs/measured.md")
HEAD = """# What was measured

`python -m benchmarks.summary` writes this page from the files in `results/`; `make bench` measures all of them again on
your machine. Times differ between machines, so compare ratios.

| measurement | result | goal | met | file |
| --- | --- | --- | --- | --- |
"""
Row = tuple[str, str, str, bool | None]  # measurement, result, goal, whether it was met (None without a goal)


def grading(result: dict) -> list[Row]:
    what = (
        f"submissions graded per minute, compared with stock `nbgrader autograde` (same marks: {result['same_marks']})"
    )
    rates = f"{result['ours']['per_minute']:.0f} and {result['stock']['per_minute']:.1f}: "
    return [(what, f"{rates}{result['ratio']:.1f}×", "≥ 12×", result["ratio"] >= 12)]


def grading_scale(result: dict) -> list[Row]:
    small, large = result["runs"][0], result["runs"][-1]
    lost = sum(run["submissions"] - run["judged"] for run in result["runs"])
    what = (
        f"{large['submissions']} submissions on a Dask cluster, one worker killed halfway: cost per submission, "
        f"relative to {small['submissions']} submissions"
    )
    peak = large["peak_memory_of_the_grader_mb"]
    measured = f"{result['cost_ratio']:.2f}×, {lost} lost; peak memory of the grader {peak} MB"
    met = result["cost_ratio"] <= 1.1 and not lost and large["worker_killed"]
    return [(what, measured, "≤ 1.1×, none lost", met)]


def desk(result: dict) -> list[Row]:
    rows: list[Row] = []
    hand_ins = result["class"]["hand_ins"]
    for lms, name in (("canvas", "Canvas"), ("moodle", "Moodle")):
        if lms in result:
            walk, outcome = result[lms], result[lms]["outcome"]
            what = f"from {name}'s downloads of {hand_ins} submissions, some damaged, to marks and feedback for upload"
            told = outcome["judged"] + outcome["refused_with_a_reason"] + outcome["without_a_student"]
            measured = (
                f"{walk['seconds']:.0f} s, {walk['commands']} commands; {outcome['judged']} judged, "
                f"{outcome['refused_with_a_reason']} refused with a reason, "
                f"{outcome['without_a_student']} listed for a person"
            )
            goal = "none lost, both files of marks agree"
            met = told == hand_ins + result["class"]["strangers"] and not outcome["marks_that_disagree"]
            rows.append((what, measured, goal, met))
        if lms in result.get("before", {}):
            rows.append(_desk_before(result, lms, name))
    return rows


def _desk_before(result: dict, lms: str, name: str) -> Row:
    walk, marking, before = result[lms], result["marking_today"], result["before"][lms]
    keys = walk["keys"] + marking["keys"]
    clicks = sum(walk["clicks_counted_from_menus"].values()) + marking["clicks"]
    what = (
        f"keys and clicks from {name}'s downloads to marks in {name}, with written answers marked: counted; the commit "
        f"{result['before']['how_counted']['commit']} beside it"
    )
    measured = (
        f"{keys} keys, {clicks} clicks; before {before['keys']} keys, {before['clicks']} clicks, {before['commands']} "
        f"commands of {before['seconds']:.0f} s, and {before['outcome']['lost_without_a_row']} submissions lost "
        "without a row"
    )
    return what, measured, "", None


def attacks(result: dict) -> list[Row]:
    ours, stock = result["distillab"], result["stock nbgrader"]
    measured = (
        f"{ours['right']} of {ours['of']}; "
        f"stock nbgrader {stock['right']} of the {stock['of']} that are safe to run with it"
    )
    return [("hostile submissions handled correctly", measured, "all", ours["right"] == ours["of"])]


def mutants(result: dict) -> list[Row]:
    total = result["total"]
    caught, explained = (
        f"{total[key]} of {of}" for key, of in (("caught", total["mutants"]), ("explained", total["caught"]))
    )
    share = total["explained"] / total["caught"]
    return [
        (
            "references with one thing changed that lose points; the others are listed, most change nothing",
            caught,
            "",
            None,
        ),
        ("of these, how many are told a cause", f"{explained}: {share:.0%}", "≥ 90%", share >= 0.9),
    ]


def training_speed(result: dict) -> list[Row]:
    ratios = result["ratios"]
    rows: list[Row] = []
    for other, name in (("padded loop", "the usual loop with padding"), ("trl", "TRL's GKDTrainer")):
        speed, goal = ratios["speed"][other], ratios["goals"][other]
        measured = (
            f"{speed['distill, kept answers, two passes']:.1f}× over two epochs, {speed['distill']:.1f}× with the "
            f"teacher run at each step, {speed['distill, kept answers, later passes']:.1f}× from the second epoch on"
        )
        rows.append(
            (
                f"training throughput in useful tokens/s, relative to {name}",
                measured,
                f"≥ {goal}×",
                ratios["goals_met"][other],
            )
        )
    share, goal = ratios["share_of_matrix_rate"], ratios["goals"]["share of the matrix rate"]
    met = ratios["goals_met"]["share of the matrix rate"]
    rows.append(
        (
            "share of the processor's matrix-multiplication rate reached in training",
            f"{share:.0%}",
            f"≥ {goal:.0%}",
            met,
        )
    )
    return rows


def loss_memory(result: dict) -> list[Row]:
    setting, differ = result["setting"], max(result["largest_relative_difference"].values())
    size = f"{setting['tokens']:,} tokens × vocabulary of {setting['vocabulary']:,}"
    what = f"peak memory of the loss, {size}, relative to the plain formula"
    return [
        (
            what,
            f"{result['share_of_plain_peak']:.2f}, values equal to {differ:.0e}",
            "≤ 0.2, values equal to 1e-5",
            result["goal_met"],
        )
    ]


def widget_frames(result: dict) -> list[Row]:
    explorer = result["explorer"]
    frame = max(each["p95"] for each in explorer["frame_ms"])
    whole = result["growth"]["after"]["between_frames_ms"]["p95"]
    between = max(each["p95"] for each in explorer["between_frames_ms"])
    still = result["empty_page"]["between_frames_ms"]["p95"]
    redrawn = [each["median"] for each in result["ipywidgets_and_matplotlib"]["event_to_picture_ms"]]
    other = f"ipywidgets with matplotlib need at least {min(redrawn):.0f} ms per picture"
    what = f"temperature explorer with {result['bars']} bars during a drag, p95 of the slowest of three rounds"
    return [
        (f"{what}: work per frame", f"{frame} ms; {other}", "≤ 16.7 ms", frame <= 16.7),
        (
            f"the same, {result['growth']['moves']:,} moves without waiting for a display: p95 between frames",
            f"{whole} ms, including painting",
            "≤ 16.7 ms",
            whole <= 16.7,
        ),
        (f"{what}: time between frames, 60 Hz display", f"{between} ms; an empty page {still} ms", "", None),
    ]


def lab_seconds(result: dict) -> list[Row]:
    return [
        (
            f"running the solved lab, {result['tier']} tier: {names}",
            f"{sum(result['labs'][name] for name in names.split(' and ')):.0f} s",
            f"< {goal} s",
            result["goals_met"][names],
        )
        for names, goal in result["goals"].items()
    ]


def tiny_distillation(result: dict) -> list[Row]:
    arms = result["arms"]
    nats = {name: sum(run["distance"] for run in arm["runs"]) / len(arm["runs"]) for name, arm in arms.items()}
    measured = ", ".join(f"{name} {value:.3f}" for name, value in nats.items())
    seeds = len(result["setting"]["seeds"])
    what = f"distance from the truth in nats per token, mean of {seeds} seeds, tiny tier, equal steps"
    return [(what, measured, "", None)]


def chain_of_thought_laptop(result: dict) -> list[Row]:
    right = {name: arm["accuracy"] for name, arm in result["arms"].items()}
    measured = ", ".join(
        f"{name} {each['value']:.0%} ({each['low']:.0%}–{each['high']:.0%})" for name, each in right.items()
    )
    what = f"{result['setting']['held_out']} held-out problems solved, {result['model']} distilled into itself"
    return [(what, measured, "", None)]


def on_policy_speed(result: dict) -> list[Row]:
    setting, worst = result["setting"], max(each["difference"] / each["trl"] for each in result["losses"].values())
    what = f"useful tokens/s of an on-policy step, SmolLM2-135M and its 15 layers, {setting['written']} sampled tokens"
    return [
        (f"{what}, against TRL's DistillationTrainer", f"{result['ratio']:.1f}×", f"≥ {result['goals']['ratio']}×",
         result["goals_met"]["ratio"]),
        ("its loss against TRL's on the same batch, largest relative difference", f"{worst:.1g}",
         f"≤ {result['goals']['difference']:.0e}", result["goals_met"]["losses"]),
    ]  # fmt: skip


def on_policy(result: dict) -> list[Row]:
    means = {name: arm["distance"]["mean"] for name, arm in result["arms"].items()}
    measured = ", ".join(f"{name} {value:.3f}" for name, value in means.items())
    what = (
        f"distance from the truth in nats per token after {result['setting']['steps']} steps from a parrot, three seeds"
    )
    return [(what, measured, "", None)]


SECTIONS: dict[str, Callable[[dict], list[Row]]] = {
    each.__name__: each
    for each in (
        grading,
        grading_scale,
        desk,
        attacks,
        mutants,
        training_speed,
        on_policy_speed,
        loss_memory,
        widget_frames,
        lab_seconds,
        tiny_distillation,
        on_policy,
        chain_of_thought_laptop,
    )
}


def page(results: Path = RESULTS) -> str:
    """Return the page for the results in a folder, as Markdown."""
    text = HEAD
    measured_on: dict[str, list[str]] = {}
    for name, rows_of in SECTIONS.items():
        file = results / f"{name}.json"
        if not file.exists():
            continue
        result = json.loads(file.read_text(encoding="utf-8"))
        for what, measured, goal, met in rows_of(result):
            text += (
                f"| {what} | {measured} | {goal} | {'' if met is None else 'yes' if met else '**no**'} | `{name}` |\n"
            )
        machine = result["machine"]
        units = ", ".join(machine["units"]) or "no AVX2, AVX-512 or AMX" if "units" in machine else ""
        kind = f"{machine['cores']} cores of {machine['model']} ({units})" if units else f"{machine['cores']} cores"
        measured_on.setdefault(f"{kind}, torch {machine['torch']}", []).append(f"`{name}`")
    where = "\n".join(f"- {kind}: {', '.join(names)}" for kind, names in measured_on.items())
    return f"{text}\nMeasured on:\n\n{where}\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(page())
