"""Read what a student's kernel sends: outputs, errors and replies. It can send anything, and nothing here raises.

Outputs are built anew from texts, so that neither their depth nor what stands beside the texts reaches nbformat.
"""

from __future__ import annotations

from typing import Any

from nbformat import NotebookNode
from nbformat.v4 import new_output

MAX_FORMATS = 32  # of one output
MAX_FORMAT_NAME = 100  # characters
MAX_ERROR_NAME = 200
MAX_TRACEBACK_LINES = 200
NO_REPLY = {"error": {"type": "RuntimeError", "message": "the kernel sent no values back", "line": ""}}


def output_of(kind: str, content: Any) -> NotebookNode | None:
    """Return the output that a message brings, or None if it brings none that can be shown.

    Args:
        kind: the message's type.
        content: its content.
    """
    if not isinstance(content, dict):
        return None
    if kind == "stream" and content.get("name") in ("stdout", "stderr") and isinstance(content.get("text"), str):
        return new_output("stream", name=content["name"], text=content["text"])
    if kind == "error":
        name, message = error_of(content)
        lines = content.get("traceback")
        lines = lines[:MAX_TRACEBACK_LINES] if isinstance(lines, list) else []
        return new_output(
            "error", ename=name, evalue=message, traceback=[line for line in lines if isinstance(line, str)]
        )
    if kind in ("display_data", "execute_result") and isinstance(content.get("data"), dict):
        data = _formats(content["data"])
        metadata = _image_details(content.get("metadata"))
        if kind == "display_data":
            return new_output(kind, data=data, metadata=metadata)
        count = content.get("execution_count")
        count = count if type(count) is int and 0 <= count < 2**31 else None
        return new_output(kind, data=data, metadata=metadata, execution_count=count)
    return None


def error_of(content: Any) -> tuple[str, str]:
    """Return the name and the message of the error that a message's content reports."""
    content = content if isinstance(content, dict) else {}
    name, message = (item if isinstance(item, str) else "" for item in (content.get("ename"), content.get("evalue")))
    return name[:MAX_ERROR_NAME], message


def reply_of(content: Any) -> dict[str, Any]:
    """Return the probe's reply in a comm message's content, or one that says there is none."""
    data = content.get("data") if isinstance(content, dict) else None
    reply = data.get("reply") if isinstance(data, dict) else None
    return reply if isinstance(reply, dict) else NO_REPLY


def size_of(output: NotebookNode) -> int:
    """Return how many characters an output of `output_of` holds, roughly."""
    texts = [output.get("text", ""), output.get("evalue", ""), *output.get("traceback", ())]
    data = output.get("data", {})
    return 100 + sum(map(len, texts)) + sum(len(kind) + len(text) for kind, text in data.items())


def _formats(data: dict[Any, Any]) -> NotebookNode:
    """Return the texts among an output's formats. JSON formats, which no page shows, are kept by name only."""
    formats = NotebookNode()
    for kind, item in list(data.items())[:MAX_FORMATS]:
        if not isinstance(kind, str) or len(kind) > MAX_FORMAT_NAME:
            continue
        if isinstance(item, str):
            formats[kind] = item
        elif kind.endswith("json"):
            formats[kind] = NotebookNode()
    return formats


def _image_details(metadata: Any) -> NotebookNode:
    """Return the numbers and texts that describe an output's images."""
    details = NotebookNode()
    for kind in ("image/png", "image/jpeg"):
        values = metadata.get(kind) if isinstance(metadata, dict) else None
        if isinstance(values, dict):
            details[kind] = NotebookNode(
                {key: values[key] for key in ("width", "height", "alt") if type(values.get(key)) in (int, str)}
            )
    return details
