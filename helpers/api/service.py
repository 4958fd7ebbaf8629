"""Start a teacher behind an API for a notebook, and stop it with the notebook's kernel.

    teacher = start_teacher()
    reply = await teacher.send({"messages": [{"role": "user", "content": "Tell a story."}]})

The server runs in a thread of the kernel, on a free port of this machine's own address 127.0.0.1, which nothing outside
can reach. Without the extra "api", and while a notebook is graded, `send` asks the same teacher in the same process.
"""

from __future__ import annotations

import asyncio
import atexit
import importlib.util
import os
import socket
import threading
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from helpers.api.chat import MODEL, BadRequest, ChatTeacher
from helpers.api.errors import ApiError
from helpers.api.replies import short_reply
from helpers.models import load_teacher, load_tokenizer

if TYPE_CHECKING:
    from helpers.api.server import State

HOST = "127.0.0.1"
TIMEOUT_SECONDS = 20.0
NEEDED = {"api": ("fastapi", "uvicorn", "openai"), "laptop": ("accelerate",), "lora": ("peft", "trl")}


def is_installed(extra: str) -> bool:
    """Return whether an extra of this package is installed; if it is not, say in one line how to get it."""
    missing = [name for name in NEEDED[extra] if importlib.util.find_spec(name) is None]
    if missing:
        print(
            f"{', '.join(missing)} not installed: pip install 'distillab[{extra}]' adds it; this part goes on without."
        )
    return not missing


class Teacher:
    """A teacher that answers `await send(request)`.

    Attributes:
        send: takes a request; returns the reply, or raises `ApiError` or TimeoutError.
        address: the server's base URL; empty where the teacher answers in this process.
        state: the server's faults, limit and key; None without a server.
        model: the model's name.
    """

    def __init__(
        self,
        send: Callable[[Mapping[str, Any]], Awaitable[dict[str, Any]]],
        address: str = "",
        state: State | None = None,
        stop: Callable[[], None] = lambda: None,
        model: str = MODEL,
    ) -> None:
        self.send, self.address, self.state, self.stop, self.model = send, address, state, stop, model

    def set_faults(self, **faults: Any) -> None:
        """Change what goes wrong, see `helpers.api.server.Faults`; without arguments, nothing does any more."""
        if self.state is not None:
            self.state.faults = type(self.state.faults)(**faults)

    @property
    def served(self) -> int:
        """How many requests the server has received."""
        return 0 if self.state is None else self.state.served


def start_teacher() -> Teacher:
    """Start the tiny teacher's server and return the teacher; see the module's text for what it does without one."""
    chat = ChatTeacher(load_teacher("tiny"), load_tokenizer("tiny"))
    if "NBGRADER_EXECUTION" in os.environ or not is_installed("api"):
        print("The teacher answers in this process, without a server.")
        return Teacher(_in_this_process(chat))
    teacher = _serve(chat)
    print(f"{MODEL} answers at {teacher.address} until the kernel stops.")
    return teacher


def _in_this_process(chat: ChatTeacher) -> Callable[[Mapping[str, Any]], Awaitable[dict[str, Any]]]:
    async def send(request: Mapping[str, Any]) -> dict[str, Any]:
        await asyncio.sleep(0)
        try:
            return short_reply(chat.complete({"model": MODEL, **request}))
        except BadRequest as problem:
            raise ApiError(problem.status) from None

    return send


def _serve(chat: ChatTeacher) -> Teacher:
    import openai
    import uvicorn

    from helpers.api.openai_client import make_send
    from helpers.api.server import State, make_app

    state = State()
    listener = socket.socket()
    listener.bind((HOST, 0))  # a free port
    listener.listen()  # from now on a client's connection waits until the server takes it
    address = f"http://{HOST}:{listener.getsockname()[1]}/v1"
    server = uvicorn.Server(uvicorn.Config(make_app(chat, state), log_level="critical", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="teacher", daemon=True)
    thread.start()

    def stop() -> None:
        server.should_exit = True
        thread.join(5)
        listener.close()

    atexit.register(stop)
    client = openai.AsyncOpenAI(base_url=address, api_key=state.key, timeout=TIMEOUT_SECONDS)
    return Teacher(make_send(client, MODEL), address, state, stop)
