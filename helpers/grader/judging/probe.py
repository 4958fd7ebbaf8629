"""What runs in the student's kernel on the judge's behalf.

The judge sends the text of this file, after those of `helpers/checks/fixtures.py` and `helpers/checks/observers.py`,
into the kernel before the student's first cell; they run in a namespace of their own. Requests come over a comm, which
passes by the shell: no input transformer, hook or display formatter of the student's stands between. The probe calls an
answer and sends back what it saw; it knows neither references nor expected values.
"""

# ruff: noqa: F821   observe, decode, restore and keep come from the two files that run in this namespace first

import sys
from importlib.abc import MetaPathFinder

from IPython import get_ipython
from torch import inference_mode


class NotYourOwn(MetaPathFinder):
    """Refuses to import the modules that hold what a lab asks for."""

    def __init__(self, forbidden):
        self.forbidden = frozenset(forbidden)

    def find_spec(self, name, path=None, target=None):
        if name in self.forbidden:
            raise ImportError(f"{name} is not available in this lab: it holds what you are asked to write.")
        return None


LONGEST_OUTPUT = 2**20  # characters of one message; the judge's own limits hold whatever becomes of this one
CUT = "\n[cut: too long]\n"


def trimmed(content):
    """Return a message's content with its long texts cut, so that a long line costs a student no more than itself."""
    if isinstance(content, str):
        return content if len(content) <= LONGEST_OUTPUT else content[:LONGEST_OUTPUT] + CUT
    if type(content) is dict:
        return {key: trimmed(item) for key, item in content.items()}
    return content


def trim_messages(session):
    """Have every output go out trimmed; values for the judge are sent as they are."""
    send = session.send

    def send_trimmed(stream, kind, content=None, *arguments, **options):
        if kind in ("stream", "display_data", "execute_result", "update_display_data", "comm_open", "error"):
            content = trimmed(content)
        return send(stream, kind, content, *arguments, **options)

    session.send = send_trimmed


def install(forbidden, target, folder, model_specs):
    """Open the comm target and close the forbidden modules. model_specs: does the lab's judging build models?"""
    if model_specs:
        keep()
    restore(0)  # what a notebook draws at random is the same whenever it is graded
    shell = get_ipython()
    trim_messages(shell.kernel.session)
    names, comms = shell.user_ns, shell.kernel.comm_manager
    sys.meta_path.insert(0, NotYourOwn(forbidden))
    for name in forbidden:
        sys.modules.pop(name, None)
    # A file beside the notebook may be imported, but never in place of a library.
    sys.path[:] = [entry for entry in sys.path if entry not in ("", folder)] + [folder]

    def reply(request):
        name = request["name"]
        if name not in names:
            return {"undefined": name}
        restore(request["seed"])  # models are built here too
        with inference_mode(False):
            arguments, options = [decode(item) for item in request["arguments"]], decode(request["options"])
        return observe(request["observe"], names[name], arguments, options, request["seed"])

    def opened(comm, message):
        comm.on_msg(lambda message: comm.send({"reply": reply(message["content"]["data"])}))

    comms.register_target(target, opened)
