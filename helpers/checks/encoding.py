"""Values as plain data: how arguments and results cross between the judge and the student's kernel.

`encode` turns values into JSON (tensors and arrays as raw bytes in base64, never pickle; tables of pandas as their
columns; models as specifications); `decode` turns them back. Like `helpers.checks.observers`, this file is sent to the
kernel as text; see there.
"""

from __future__ import annotations

import base64
import math
from typing import Any

import numpy as np

from helpers.checks.fixtures import ModelSpec, build
from helpers.checks.optional_torch import torch
from helpers.checks.tables import TABLE_FORMS, checked_shape, decode_table, encode_table, table_form

DTYPES = {
    str(dtype).removeprefix("torch."): dtype
    for dtype in (torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16,
                  torch.int8, torch.uint8, torch.bool)
}  # fmt: skip
MAX_TENSOR_ELEMENTS = 1_000_000  # an answer to a case is thousands at most
MAX_TEXT_CHARACTERS = 100_000
MAX_NESTING = 8

# Saved before the student's first cell runs, so that replacing them later changes nothing here.
_Tensor, _Parameter, _detach = torch.Tensor, torch.nn.Parameter, torch.Tensor.detach
_type, _isinstance, _len = type, isinstance, len


def encode(value: Any, depth: int = 0) -> Any:
    """Return `value` as JSON data: numbers, text and None as they are, everything else as an object with one key.

    Exact types only: a subclass of a tensor, or any other object, is reported by the name of its type and never called.
    """
    kind = _type(value)
    if value is None or kind in (bool, int):
        return value
    if kind is float:
        return value if value - value == 0 else {"float": str(value)}
    if kind is str:
        return value if _len(value) <= MAX_TEXT_CHARACTERS else {"object": "a text that is too long"}
    if kind in (_Tensor, _Parameter):
        return _encode_tensor(value)
    if table_form(value):
        return encode_table(value) or _name_of_type(kind)
    if kind.__module__ == "numpy" and _isinstance(value, np.generic):
        return _encode_number(value)
    if kind is ModelSpec:
        return {"model_spec": {"name": value.name, "settings": encode(value.settings, depth + 1)}}
    if kind in (tuple, list, dict) and depth < MAX_NESTING:
        return _encode_container(value, depth + 1)
    return _name_of_type(kind)


def _name_of_type(kind: type) -> dict[str, str]:
    return {"object": f"{kind.__module__}.{kind.__qualname__}"[:200]}


def _encode_number(value: np.generic) -> Any:
    plain = value.item()
    return encode(plain) if _type(plain) in (bool, int, float, str) else _name_of_type(_type(value))


def _encode_container(container: Any, depth: int) -> dict[str, Any]:
    if _type(container) is dict:
        return {"mapping": [[encode(key, depth), encode(item, depth)] for key, item in container.items()]}
    return {_type(container).__name__: [encode(item, depth) for item in container]}


def _encode_tensor(tensor: torch.Tensor) -> dict[str, Any]:
    name = str(tensor.dtype).removeprefix("torch.")
    if tensor.layout is not torch.strided or name not in DTYPES or tensor.device.type == "meta":
        return {"object": f"a tensor of layout {tensor.layout}, dtype {tensor.dtype}, on {tensor.device}"}
    if tensor.numel() > MAX_TENSOR_ELEMENTS:
        return {"object": f"a tensor of {tensor.numel()} elements"}
    flat = _detach(tensor).resolve_neg().cpu().reshape(-1).clone(memory_format=torch.contiguous_format)
    data = flat.view(torch.uint8).numpy().tobytes() if flat.numel() else b""
    return {
        "tensor": {
            "dtype": name,
            "shape": list(tensor.shape),
            "contiguous": tensor.is_contiguous(),
            "data": base64.b64encode(data).decode("ascii"),
        }
    }


class Opaque:
    """Stands for a value that is not plain data: only the name of its type was sent."""

    def __init__(self, description: str) -> None:
        self.description = description

    def __repr__(self) -> str:
        return f"<{self.description}>"


def decode(data: Any, hostile: bool = False, depth: int = 0) -> Any:
    """Return the value that `encode` turned into data; models are built anew.

    Args:
        data: what `encode` returned, after a round trip through JSON.
        hostile: whether the data comes from a student's process. If so, no model is built, as it could be of any size.
        depth: how many containers it is in.

    Raises:
        ValueError: if the data has another form, or is nested more deeply than `encode` would.
    """
    if data is None or _isinstance(data, (bool, int, float, str)):
        return data
    if depth > MAX_NESTING + 1:
        raise ValueError("a value is nested too deeply")
    if not _isinstance(data, dict) or _len(data) != 1:
        raise ValueError("a value must be a number, a text, None or an object with one key")
    ((form, content),) = data.items()
    if form == "tensor":
        return _decode_tensor(content, hostile)
    if form in ("tuple", "list", "mapping"):
        return _decode_container(form, content, hostile, depth + 1)
    if form in TABLE_FORMS:
        return decode_table(form, content, hostile)
    if form == "float":
        return float(content)
    if form == "object":
        return Opaque(str(content))
    if form == "model_spec" and not hostile:
        return build(content["name"], decode(content["settings"], depth=depth + 1))
    raise ValueError(f"unknown form of value: {str(form)[:40]!r}")


def _decode_container(form: str, content: Any, hostile: bool, depth: int) -> Any:
    if form == "mapping":
        return {decode(key, hostile, depth): decode(item, hostile, depth) for key, item in content}
    items = [decode(item, hostile, depth) for item in content]
    return tuple(items) if form == "tuple" else items


def _decode_tensor(content: dict[str, Any], hostile: bool) -> torch.Tensor:
    dtype, shape = DTYPES[content["dtype"]], checked_shape(content["shape"], MAX_TENSOR_ELEMENTS)
    data = bytearray(base64.b64decode(content["data"], validate=True))
    if _len(data) != math.prod(shape) * dtype.itemsize:
        raise ValueError("a tensor's bytes do not fit its shape and dtype")
    tensor = torch.frombuffer(data, dtype=dtype).reshape(shape) if data else torch.empty(shape, dtype=dtype)
    if not content.get("contiguous", True) and not hostile:
        # The same values as a slice of something larger in every dimension, so that no two dimensions merge in a view.
        larger = tensor.new_zeros([size + 1 for size in shape] + [2])
        tensor = larger[tuple(slice(size) for size in shape) + (0,)].copy_(tensor)
    return tensor
