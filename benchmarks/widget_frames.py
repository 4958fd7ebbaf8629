"""How long a frame takes while a dial is dragged: the temperature explorer beside ipywidgets with a matplotlib redraw.

    python -m benchmarks.widget_frames          → results/widget_frames.json

Both stand on one page that Voilà serves, and both show 200 bars. The page takes the times itself. While the mouse drags
the explorer's dial: from the start of a frame to the moment it is drawn, in every frame in which the dial moved, and
the distance from one frame to the next. With ipywidgets, one step of the dial at a time: from the key to the new
picture. Then the explorer's dial is moved 10,000 times, each move drawn, and what the page holds after garbage
collection is compared with what it held before. There frames do not wait for the display, so that the distance from one
to the next is what a frame costs in all, painting included; with a display at 60 Hz it is 16.7 ms at the least.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import sys
import tempfile
from pathlib import Path

import nbformat
from playwright.sync_api import Locator, Page

from benchmarks.browser import chromium, free_port, served
from benchmarks.measure import describe_machine
from helpers.experiments.machine import write_result
from helpers.widgets import TemperatureExplorer
from helpers.widgets.page import render_page as html

BARS, MOVES, PICTURES, MANY = 200, 240, 20, 10_000

EXPLORER = f"""import numpy as np
from helpers.widgets import TemperatureExplorer

logits = np.sort(3 * np.random.default_rng(0).standard_normal({BARS}))[::-1]
explorer = TemperatureExplorer(logits=logits, top_k={BARS})
explorer.pin()
explorer"""

REDRAWN = """import matplotlib.pyplot as plt
from ipywidgets import HTML, FloatLogSlider, VBox

from helpers.plots import as_html

dial, picture = FloatLogSlider(value=1, min=-1, max=1.3, step=0.01, description="T"), HTML()


def redraw(change=None):
    weights = np.exp((logits - logits.max()) / dial.value)
    figure, axes = plt.subplots(figsize=(9, 3.2))
    axes.bar(range(len(logits)), weights / weights.sum())
    axes.set(xlabel="token", ylabel="probability", ylim=(0, 1), title=f"T = {dial.value:.2f}")
    picture.value = as_html(figure, alt=f"Bars of {len(logits)} tokens at T = {dial.value:.2f}")


dial.observe(redraw, "value")
redraw()
VBox([dial, picture])"""

# Registered before the explorer asks for a frame, so that `tick` opens each frame; the message comes after it is drawn.
WATCH = """() => {
    const times = (window.times = { work: [], between: [], redrawn: [] });
    const channel = new MessageChannel();
    let moved = false, drawing = false, began = 0, last = 0, asked = 0;
    channel.port1.onmessage = () => { if (drawing) times.work.push(performance.now() - began); };
    const tick = () => {
        began = performance.now();
        if (last && (moved || drawing)) times.between.push(began - last);
        last = began;
        drawing = moved;
        moved = false;
        channel.port2.postMessage(0);
        requestAnimationFrame(tick);
    };
    requestAnimationFrame(tick);
    document.querySelector('.distillab').addEventListener('input', () => { moved = true; }, true);
    document.addEventListener('keydown', () => { asked = performance.now(); }, true);
    new MutationObserver(() => {
        if (asked) times.redrawn.push(performance.now() - asked);
        asked = 0;
    }).observe(document.querySelector('.widget-html'), { childList: true, subtree: true, attributes: true });
}"""


NO_WAITING = ("--disable-frame-rate-limit", "--disable-gpu-vsync")  # 10,000 frames, one after the other
MOVE = """async (moves) => {
    const times = [];
    let last = await new Promise(requestAnimationFrame);
    const dial = document.querySelector('input[type=range]');
    for (let move = 0; move < moves; move++) {
        dial.value = -1 + 2.31 * ((move * 7919) % 1000) / 1000;
        dial.dispatchEvent(new Event('input', { bubbles: true }));
        const now = await new Promise(requestAnimationFrame);
        times.push(now - last);
        last = now;
    }
    return times;
}"""


def measure(rounds: int = 3) -> dict:
    """Drag both dials `rounds` times and return the times in milliseconds."""
    with tempfile.TemporaryDirectory() as scratch, chromium() as browser:
        folder, port = Path(scratch), free_port()
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code) for code in (EXPLORER, REDRAWN)])
        notebook.metadata["kernelspec"] = {"display_name": "Python 3", "language": "python", "name": "python3"}
        nbformat.write(notebook, folder / "frames.ipynb")
        command = [sys.executable, "-m", "voila", str(folder / "frames.ipynb"), "--no-browser", f"--port={port}"]
        with served([*command, "--Voila.ip=127.0.0.1"], port, folder, "/voila/static/require.min.js") as address:
            page = browser.new_page(viewport={"width": 1280, "height": 1200})
            page.goto(address)
            page.wait_for_selector(".distillab canvas", timeout=120_000)
            page.wait_for_selector(".widget-html img", timeout=120_000)
            page.evaluate(WATCH)
            ours, theirs = page.get_by_label("Temperature T"), page.locator(".widget-slider .noUi-handle")
            taken = [_one_round(page, ours, theirs) for _ in range(rounds)]
        return {
            "bars": BARS,
            "moves": MOVES,
            "explorer": {
                "frame_ms": [_spread(times["work"]) for times in taken],
                "between_frames_ms": [_spread(times["between"]) for times in taken],
            },
            "ipywidgets_and_matplotlib": {"event_to_picture_ms": [_spread(times["redrawn"]) for times in taken]},
            "chromium": browser.version,
            "load_average": round(os.getloadavg()[0], 1),
            "machine": describe_machine(),
        }


def _one_round(page: Page, ours: Locator, theirs: Locator) -> dict[str, list[float]]:
    page.evaluate("Object.assign(times, { work: [], between: [], redrawn: [] })")
    _drag(page, ours, MOVES)
    theirs.focus()
    for step in range(PICTURES):
        page.keyboard.press("ArrowRight" if step < PICTURES / 2 else "ArrowLeft")
        page.wait_for_function("(drawn) => times.redrawn.length > drawn", arg=step, timeout=60_000)
    return page.evaluate("times")


def _drag(page: Page, dial: Locator, moves: int) -> None:
    """Press on the dial and move to and fro, a step a frame."""
    dial.scroll_into_view_if_needed()
    box = dial.bounding_box()
    left, width, y = box["x"] + 8, box["width"] - 16, box["y"] + box["height"] / 2
    page.mouse.move(left + width / 2, y)
    page.mouse.down()
    for step in range(moves):
        share = abs((step / 60) % 2 - 1)  # to the other end in 60 steps
        page.mouse.move(left + share * width, y)
        page.wait_for_timeout(12)
    page.mouse.up()


def at_rest() -> list[float]:
    """Milliseconds from frame to frame of a page that does nothing, while the mouse moves over it as in a round."""
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 1200})
        page.set_content("<input type=range style='width:400px' aria-label='nothing'>")
        page.evaluate(
            """() => {
            let last = 0;
            window.between = [];
            const tick = (now) => { if (last) between.push(performance.now() - last); last = performance.now();
                requestAnimationFrame(tick); };
            requestAnimationFrame(tick);
        }"""
        )
        _drag(page, page.get_by_label("nothing"), MOVES)
        return page.evaluate("between")


def growth() -> dict:
    """What the page holds after 10,000 moves of the explorer's dial, each drawn, against the first 1,000."""
    explorer = TemperatureExplorer(logits=[3 * math.sin(place) for place in range(BARS)], top_k=BARS)
    with tempfile.TemporaryDirectory() as scratch, chromium(*NO_WAITING) as browser:
        file = Path(scratch) / "page.html"
        file.write_text(html([("temperature", explorer)], presenter=False), encoding="utf-8")
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto(file.as_uri())
        tool = page.context.new_cdp_session(page)
        tool.send("Performance.enable")

        def held(moves: int) -> dict:
            times = page.evaluate(MOVE, moves)
            page.wait_for_timeout(1500)
            tool.send("HeapProfiler.collectGarbage")
            metrics = {entry["name"]: entry["value"] for entry in tool.send("Performance.getMetrics")["metrics"]}
            wanted = {"heap_mb": metrics["JSHeapUsedSize"] / 1e6, "nodes": metrics["Nodes"]}
            rounded = _rounded({**wanted, "listeners": metrics["JSEventListeners"]})
            return rounded | {"between_frames_ms": _spread(times)}

        return {"moves": MANY, "before": held(1000), "after": held(MANY)}


def _rounded(values: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 2) for name, value in values.items()}


def _spread(times: list[float]) -> dict[str, float]:
    parts = statistics.quantiles(times, n=100, method="inclusive")
    return {
        "count": len(times),
        "median": round(parts[49], 1),
        "p95": round(parts[94], 1),
        "most": round(max(times), 1),
    }


def main() -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(description="Frame times of the temperature explorer while it is dragged.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--results", type=Path, default=Path("results"), help="folder for the result")
    options = parser.parse_args()
    result = measure(options.rounds)
    result["empty_page"] = {"between_frames_ms": _spread(at_rest())}
    result["growth"] = growth()
    write_result("widget_frames", result, options.results)
    print(f"explorer, {BARS} bars: {json.dumps(result['explorer'])}")
    print(f"a page that does nothing: {json.dumps(result['empty_page'])}")
    print(f"ipywidgets and matplotlib: {json.dumps(result['ipywidgets_and_matplotlib'])}")
    print(f"growth over {MANY} moves: {json.dumps(result['growth'])}")


if __name__ == "__main__":
    main()
