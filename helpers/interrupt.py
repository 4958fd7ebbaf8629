"""Ctrl-C that is not lost.

Python raises KeyboardInterrupt wherever the main thread is. In a destructor or in a callback of an import, it prints
the exception as ignored and drops it. Here it is raised again right after that, and it is remembered, so that a long
run can ask at its next step.
"""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any

AGAIN_SECONDS = 0.05  # until an interrupt that was dropped is raised again

_requested = threading.Event()


def raise_if_requested() -> None:
    """Raise KeyboardInterrupt if Ctrl-C was pressed and something has kept the exception to itself."""
    if _requested.is_set():
        raise KeyboardInterrupt


class RunStopped(KeyboardInterrupt):
    """A run was interrupted, finished its step and saved a checkpoint. A notebook shows one line, and no traceback."""

    def __init__(self, step: int) -> None:
        super().__init__(f"stopped after step {step}; run the cell again to go on")

    def _render_traceback_(self) -> list[str]:  # IPython's own hook
        return [f"{str(self).capitalize()}."]


@contextlib.contextmanager
def never_lost() -> Iterator[None]:
    """See to it that Ctrl-C ends the block with KeyboardInterrupt, at the latest when the block is done.

    Only in the main thread, which is where signals arrive; elsewhere, nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _requested.clear()
    handler, hook = signal.signal(signal.SIGINT, _on_interrupt), sys.unraisablehook
    sys.unraisablehook = lambda unraisable: _on_unraisable(unraisable, hook)
    try:
        yield
        raise_if_requested()
    finally:
        _requested.clear()
        sys.unraisablehook = hook
        signal.signal(signal.SIGINT, handler)


def _on_interrupt(number: int, frame: FrameType | None) -> None:
    _requested.set()
    raise KeyboardInterrupt


def _on_unraisable(unraisable: Any, otherwise: Any) -> None:
    if unraisable.exc_type is not None and issubclass(unraisable.exc_type, KeyboardInterrupt):
        timer = threading.Timer(AGAIN_SECONDS, _interrupt_main_thread)
        timer.daemon = True
        timer.start()
    else:
        otherwise(unraisable)


def _interrupt_main_thread() -> None:
    """Send SIGINT to the main thread, which also ends a wait for a lock."""
    if not _requested.is_set():  # the block has ended
        return
    if hasattr(signal, "pthread_kill"):
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
    else:
        signal.raise_signal(signal.SIGINT)
