"""The progress of a training run: a bar, the time left, and the loss curve, updated in place.

    with LiveCurve("Distillation", steps=300) as live:
        for batch in batches:
            live.add(train_step(student, teacher, batch, optimizer))

In a notebook this is one output, which stays when the notebook is opened again; in plain Python it is a line of text
after each tenth of the run. The curve is an SVG image with alt text; no matplotlib figure is made, so none can be left
open.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Sequence
from html import escape

from IPython import get_ipython
from IPython.display import display

from helpers.dark_theme import image

WIDTH, HEIGHT = 560, 220  # of the curve, in pixels
LEFT, RIGHT, TOP, BOTTOM = 56, 12, 12, 42  # margins for the axis labels
MAX_POINTS = 300  # a curve of more steps is thinned out to this many
WINDOW = 20  # steps in the running mean
PALE, STRONG = "#56B4E9", "#0072B2"  # Okabe and Ito's sky blue and blue


class LiveCurve:
    """Shows the progress of a run; use it as a context manager and `add` the loss after each step.

    `losses` holds every loss so far.

    Args:
        title: What is running, for people.
        steps: How many steps there will be.
        done: Losses of earlier steps, when an interrupted run is resumed.
        unit: Unit of the loss.
        interval: Seconds between two updates; updating more often would only slow the run down.
        clock: Returns the time in seconds.

    Raises:
        ValueError: If steps is below 1 or below the number that is done.
    """

    def __init__(
        self,
        title: str,
        steps: int,
        *,
        done: Sequence[float] = (),
        unit: str = "nats a token",
        interval: float = 0.5,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if steps < max(1, len(done)):
            raise ValueError(
                f"steps is {steps}; it must be at least 1, and at least {len(done)}, the number that is done"
            )
        self.title, self.steps, self.unit, self.interval = title, steps, unit, interval
        self.losses = [float(loss) for loss in done]
        self._before, self._clock, self._shown = len(self.losses), clock, None
        self._printed = len(self.losses) * 10 // steps

    def __enter__(self) -> LiveCurve:
        self._started = self._updated = self._clock()
        if getattr(get_ipython(), "kernel", None) is not None:
            self._shown = display(self._bundle(), raw=True, display_id=True)
        elif self._before:
            print(f"{self.title}: resuming after step {self._before}")
        return self

    def add(self, loss: float) -> None:
        """Record the loss of one more step, and update the display if the last update is old enough."""
        self.losses.append(float(loss))
        now = self._clock()
        if self._shown is not None:
            if now - self._updated >= self.interval:
                self._updated = now
                self._shown.update(self._bundle(), raw=True)
        elif len(self.losses) * 10 // self.steps > self._printed:
            self._printed = len(self.losses) * 10 // self.steps
            print(self.status())

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        ended = ""
        if kind is not None and len(self.losses) < self.steps:
            ended = "stopped" if issubclass(kind, KeyboardInterrupt) else f"ended by a {kind.__name__}"
        if self._shown is not None:
            self._shown.update(self._bundle(ended), raw=True)
        elif ended:
            print(self.status(ended))

    # ------------------------------------------------------------------------------------------------------ as text

    def status(self, ended: str = "") -> str:
        """The progress of the run in one line: step, loss, time left."""
        parts = [f"{self.title}: step {len(self.losses)} of {self.steps}"]
        if self.losses:
            parts.append(f"loss {running_mean(self.losses)[-1]:.3f} {self.unit}")
        if ended:
            parts.append(ended)
        elif len(self.losses) == self.steps:
            parts.append(f"done in {format_duration(self._clock() - self._started)}")
        elif len(self.losses) > self._before:
            parts.append(f"about {format_duration(self.seconds_left())} left")
        return ", ".join(parts)

    def seconds_left(self) -> float:
        """Seconds left at the pace so far; the steps of an earlier run do not count for the pace."""
        pace = (self._clock() - self._started) / max(1, len(self.losses) - self._before)
        return pace * (self.steps - len(self.losses))

    def _bundle(self, ended: str = "") -> dict[str, str]:
        return {"text/plain": self.status(ended), "text/html": self.html(ended)}

    def html(self, ended: str = "") -> str:
        """What a notebook shows: bar and line of text, and below them the curve once there are two points."""
        bar = (
            f'<progress max="{self.steps}" value="{len(self.losses)}" style="width:{WIDTH}px;max-width:100%" '
            f'aria-label="{escape(self.title, quote=True)}"></progress>'
        )
        parts = [bar, f"<p style='margin:.2em 0'>{escape(self.status(ended))}</p>"]
        if len(self.losses) > 1:
            data = base64.b64encode(self.svg().encode()).decode()
            parts.append(image(f"data:image/svg+xml;base64,{data}", WIDTH, self.alt()))
        return f'<div style="font-family:sans-serif">{"".join(parts)}</div>'

    # ---------------------------------------------------------------------------------------------------- the curve

    def alt(self) -> str:
        """The curve's alt text."""
        smooth = running_mean(self.losses)
        return (
            f"Loss over {len(self.losses)} steps, in {self.unit}: from {self.losses[0]:.2f} at the first step to "
            f"{smooth[-1]:.2f}, the mean of the last {min(WINDOW, len(smooth))}."
        )

    def svg(self) -> str:
        """The curve as an SVG image: each step's loss in a pale line, their running mean in a strong one."""
        finite = [loss for loss in self.losses if abs(loss) < float("inf")] or [0.0]
        low, high = min(finite), max(finite)
        low, high = (low, high) if high > low else (low - 0.5, low + 0.5)
        right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM

        def points(values: Sequence[float]) -> str:
            every = max(1, -(-len(values) // MAX_POINTS))
            thinned = [(step, value) for step, value in enumerate(values, 1) if (len(values) - step) % every == 0]
            positions = (
                (LEFT + step / self.steps * (right - LEFT), TOP + (high - value) / (high - low) * (bottom - TOP))
                for step, value in thinned
                if abs(value) < float("inf")
            )
            return " ".join(f"{x:.1f},{y:.1f}" for x, y in positions)

        return "".join(
            [
                f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
                f'font-size="12"><rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
                f'<path d="M{LEFT},{TOP} V{bottom} H{right}" fill="none" stroke="black"/>',
                f'<text x="{LEFT - 6}" y="{TOP + 8}" text-anchor="end">{high:.2f}</text>',
                f'<text x="{LEFT - 6}" y="{bottom}" text-anchor="end">{low:.2f}</text>',
                f'<text x="{LEFT}" y="{bottom + 16}" text-anchor="middle">0</text>',
                f'<text x="{right}" y="{bottom + 16}" text-anchor="end">{self.steps}</text>',
                f'<text x="{(LEFT + right) / 2}" y="{HEIGHT - 8}" text-anchor="middle">step</text>',
                f'<text transform="translate(14 {(TOP + bottom) / 2}) rotate(-90)" text-anchor="middle">'
                f"loss ({escape(self.unit)})</text>",
                f'<polyline points="{points(self.losses)}" fill="none" stroke="{PALE}"/>',
                f'<polyline points="{points(running_mean(self.losses))}" fill="none" stroke="{STRONG}" '
                f'stroke-width="2.5"/></svg>',
            ]
        )


def running_mean(values: Sequence[float], width: int = WINDOW) -> list[float]:
    """The mean of each value and up to `width` - 1 values before it."""
    windows = (values[max(0, end - width) : end] for end in range(1, len(values) + 1))
    return [sum(window) / len(window) for window in windows]


def format_duration(seconds: float) -> str:
    """A duration as people write it: "8 s", "4 min", "2 h 5 min"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
