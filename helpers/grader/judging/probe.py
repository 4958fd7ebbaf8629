"""What runs in the student's kernel on the judge's behalf.

The judge sends the text of this file, after those of `PROBE_PARTS` in `helpers/checks`, into the kernel before the
student's first cell. All run in one namespace of their own, so what they import from each other is left out there; see
`student_kernel.install_probe`. Requests come over a comm, which
bypasses the shell: no input transformer, hook or display formatter of the student's is involved. The probe calls an
answer and sends back what it saw; it knows neither references nor expected values.
"""

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from typing import Any

from IPython import get_ipython

from helpers.checks.encoding import decode
from helpers.checks.fixtures import preload
from helpers.checks.observers import observe, restore
from helpers.checks.optional_torch import torch

MAX_OUTPUT_CHARACTERS = 2**20  # of one message; the judge's own limits hold even if the notebook undoes this one
CUT = "\n[cut: too long]\n"


class ForbiddenImports(MetaPathFinder):
    """Refuses to import the modules that hold what a lab asks for."""

    def __init__(self, forbidden: Sequence[str]) -> None:
        self.forbidden = frozenset(forbidden)

    def find_spec(self, fullname: str, path: Sequence[str] | None = None, target: Any = None) -> None:
        if fullname in self.forbidden:
            raise ImportError(f"{fullname} is not available in this lab: it holds what you are asked to write.")


def trimmed(content: Any) -> Any:
    """Return a message's content with its long texts cut, so that a long line costs a student no other output."""
    if isinstance(content, str):
        return content if len(content) <= MAX_OUTPUT_CHARACTERS else content[:MAX_OUTPUT_CHARACTERS] + CUT
    if type(content) is dict:
        return {key: trimmed(item) for key, item in content.items()}
    return content


def trim_messages(session: Any) -> None:
    """Have every output go out trimmed; values for the judge are sent as they are."""
    send = session.send

    def send_trimmed(stream: Any, kind: Any, content: Any = None, *arguments: Any, **options: Any) -> Any:
        if kind in ("stream", "display_data", "execute_result", "update_display_data", "comm_open", "error"):
            content = trimmed(content)
        return send(stream, kind, content, *arguments, **options)

    session.send = send_trimmed


def install(forbidden: Sequence[str], target: str, folder: str, model_specs: bool) -> None:
    """Open the comm target and refuse the forbidden modules.

    Args:
        forbidden: the modules that the notebook may not import.
        target: the name of the comm target that the judge opens.
        folder: where the notebook runs.
        model_specs: whether the lab's cases have models among their arguments.
    """
    if model_specs:
        preload()
    restore(0)  # what a notebook draws at random is the same whenever it is graded
    shell = get_ipython()
    trim_messages(shell.kernel.session)
    names, comms = shell.user_ns, shell.kernel.comm_manager
    sys.meta_path.insert(0, ForbiddenImports(forbidden))
    for name in forbidden:
        sys.modules.pop(name, None)
    # A file beside the notebook may be imported, but never in place of a library.
    sys.path[:] = [entry for entry in sys.path if entry not in ("", folder)] + [folder]

    def reply(request: dict[str, Any]) -> dict[str, Any]:
        name = request["name"]
        if name not in names:
            return {"undefined": name}
        restore(request["seed"])  # models are built here too
        with torch.inference_mode(False):
            arguments, options = [decode(item) for item in request["arguments"]], decode(request["options"])
        return observe(request["observe"], names[name], arguments, options, request["seed"])

    def opened(comm: Any, message: Any) -> None:
        comm.on_msg(lambda message: comm.send({"reply": reply(message["content"]["data"])}))

    comms.register_target(target, opened)
