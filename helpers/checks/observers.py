"""Call a student's answer and observe what it does.

The same code runs in three places: in the visible check on the student's machine, in the grading kernel beside the
student's code, and in the judge's own process beside the reference solution. It therefore imports nothing but PyTorch,
NumPy, the standard library, and the parts of `helpers.checks` below: the judge sends the text of these files to the
kernel, where they run in a namespace of their own, made before the student's first cell.

An observation is a mapping from a label ("value", "gradient of student_logits", …) to what was seen.
"""

from __future__ import annotations

import asyncio
import inspect
import linecache
import os
import random
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from helpers.checks.coroutines import coroutine
from helpers.checks.encoding import encode
from helpers.checks.fixtures import resolve
from helpers.checks.model_observers import MODEL_OBSERVERS
from helpers.checks.optional_torch import torch
from helpers.checks.sampling import sampling
from helpers.checks.special_observers import SPECIAL_OBSERVERS

# Saved before the student's first cell runs, so that replacing them later changes nothing here.
_Tensor, _Parameter = torch.Tensor, torch.nn.Parameter
_detach, _backward = torch.Tensor.detach, torch.autograd.backward
_equal, _cat, _zeros_like, _linspace = torch.equal, torch.cat, torch.zeros_like, torch.linspace
_own: Mapping[str, Any] = vars(torch._C.TensorBase)
_requires_grad: Any = getattr(_own.get("requires_grad"), "__get__", None)
_grad: Any = getattr(_own.get("grad"), "__get__", None)
_numel, _attribute = torch._C.TensorBase.numel, object.__getattribute__
_type, _isinstance, _len = type, isinstance, len


def value(answer: Callable, arguments: Sequence[Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Call the answer; observe its value, and the indices of the arguments that it changed."""
    before = [encode(argument) for argument in arguments]
    result = answer(*arguments)
    changed = [index for index, argument in enumerate(arguments) if encode(argument) != before[index]]
    return {"value": result, "changed inputs": changed}


def gradient(answer: Callable, arguments: Sequence[Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Call the answer and backpropagate; observe its value, and its gradient at each argument in `of` and `cut`.

    `of` lists the indices of arguments that gradients should reach, `cut` those that none may reach. A scalar is
    backpropagated as it is, any other result with fixed weights from 0.5 to 1.5. A missing gradient counts as zeros.
    """
    of, cut = list(options.get("of", ())), list(options.get("cut", ()))
    arguments = list(arguments)
    for index in of + cut:
        arguments[index] = _detach(arguments[index]).clone().requires_grad_(True)
    result = answer(*arguments)
    if _type(result) not in (_Tensor, _Parameter):  # nor a subclass, which could answer for itself
        return {"value": result}
    if result.requires_grad or of:
        weights = None if result.dim() == 0 else _linspace(0.5, 1.5, result.numel()).reshape(result.shape)
        _backward([result], [None if weights is None else weights.to(result.dtype)])
    seen = {"value": result}
    for index in of + cut:
        grad, label = arguments[index].grad, argument_name(answer, index, options)
        seen[f"gradient of {label}"] = _zeros_like(arguments[index]) if grad is None else grad
    return seen


def module(answer: Callable, arguments: Sequence[Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Build the answer's class, call it, change the attributes in `then`, and call it again."""
    built = answer(*options.get("construct", ()))
    inner = {**options, "names": options.get("names") or argument_names(built.forward)}
    seen = gradient(built, arguments, inner)
    if "then" in options:
        for name, new in options["then"].items():
            setattr(built, name, new)
        seen["value after change"] = built(*arguments)
    return seen


def validation(answer: Callable, arguments: Sequence[Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Call the answer with good input, which must return, then with bad input; observe what that raises.

    With `construct`, the answer is a class: it is built with `good_construct` or `construct` first, then called.
    """

    def run(construct: Sequence[Any] | None, call: Sequence[Any]) -> Any:
        call = resolve(call)
        return answer(*call) if construct is None else answer(*construct)(*call)

    run(options.get("good_construct"), options["good"])
    try:
        run(options.get("construct"), arguments)
    except ValueError:
        return {"raised": "ValueError"}
    except NotImplementedError:
        raise
    except Exception as error:
        return {"raised": _kind_of_error(error)}
    return {"raised": "nothing"}


def mixed_validation(answer: Callable, arguments: Sequence[Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Call the answer with good and bad input in an unknown order; observe what each call raises.

    `calls` are pairs of a constructor's arguments, None if the answer is a function, and a call's. Every call is made
    from the same line, so that the answer cannot tell from its callers whether it should raise.
    """
    raised: list[str] = []
    errors: list[dict[str, str] | None] = []
    for construct, call in options["calls"]:
        kind, error = "nothing", None
        try:
            (answer if construct is None else answer(*construct))(*resolve(call))
        except NotImplementedError:
            raise
        except Exception as problem:
            kind, error = _kind_of_error(problem), describe(problem)
        raised.append(kind)
        errors.append(error)
    return {"raised": raised, "errors": errors}


def freezing(answer: Callable, arguments: Sequence[Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Pass the answer a model; observe whether it returns that model, its mode, and which weights can be trained."""
    (model,) = arguments
    parts, parameters, before = _parts(model), _parameters(model), weights_of(model)
    result = answer(model)
    parts, parameters = _once([*parts, *_parts(model)]), _once([*parameters, *_parameters(model)])
    watched = options.get("watch", ("value", "mode", "weights"))
    seen: dict[str, Any] = {}
    if "value" in watched:
        seen["value"] = "the same model" if result is model else "None" if result is None else "another object"
    if "mode" in watched:
        seen["parts still in train mode"] = sum(_attribute(part, "__dict__")["training"] for part in parts)
    if "weights" in watched:
        seen["weights that can be trained"] = sum(_numel(weight) for weight in parameters if _requires_grad(weight))
        seen["weights changed"] = not _equal(before, weights_of(model))
    return seen


def training(answer: Callable, arguments: Sequence[Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Let the answer train; observe what each step returns, and what becomes of student and teacher.

    The first argument is the student, and the second the teacher if it is watched. `steps` is how many steps to take,
    all on the same arguments; `watch` says what to record: "value", "kind", "student", "mode" or "teacher".
    """
    student, watched = arguments[0], options.get("watch", ("value",))
    teacher = arguments[1] if "teacher" in watched else student
    teacher_before = weights_of(teacher)
    results = [answer(*arguments) for _ in range(options.get("steps", 1))]
    seen: dict[str, Any] = {}
    if "value" in watched:
        seen["value"] = results[0] if _len(results) == 1 else results
    if "kind" in watched:
        seen["kind of value"] = _kind_of_result(results[0])
    if "student" in watched:
        seen["student's weights afterwards"] = weights_of(student)
    if "mode" in watched:
        seen["student's parts in train mode"] = _in_train_mode(student)
    if "teacher" in watched:
        parameters = _parameters(teacher)
        seen["teacher's weights changed"] = not _equal(teacher_before, weights_of(teacher))
        seen["teacher's weights with a gradient"] = sum(_grad(weight) is not None for weight in parameters)
        seen["teacher's weights that can be trained"] = sum(_requires_grad(weight) for weight in parameters)
        seen["teacher's parts in train mode"] = _in_train_mode(teacher)
    return seen


def _kind_of_result(result: Any) -> str:
    """Say whether a loss, or each loss in a list, is a plain number."""
    losses, many = (result, "numbers") if _type(result) in (list, tuple) else ([result], "a number")
    plain = _len(losses) > 0 and all(_type(loss) in (float, int, np.float64, np.float32) for loss in losses)
    tensors = any(_isinstance(loss, _Tensor) for loss in losses)
    return many if plain else "tensors" if tensors and many == "numbers" else "a tensor" if tensors else "neither"


def _in_train_mode(model: torch.nn.Module) -> int:
    return sum(_attribute(part, "__dict__")["training"] for part in _parts(model))


def weights_of(model: torch.nn.Module) -> torch.Tensor:
    """Return a copy of all weights of a model as one vector; tied weights come once."""
    return _cat([_detach(weight).reshape(-1) for weight in _parameters(model)]).clone()


# Models are read from their attributes: `modules()` and `named_parameters()` call methods that can be replaced.


def _parts(model: torch.nn.Module) -> list[torch.nn.Module]:
    """Return the model and all its submodules, each once."""
    children = [child for child in _attribute(model, "__dict__")["_modules"].values() if child is not None]
    return _once([model, *(part for child in children for part in _parts(child))])


def _parameters(model: torch.nn.Module) -> list[torch.nn.Parameter]:
    """Return all weights of a model, tied ones once."""
    parameters = (_attribute(part, "__dict__")["_parameters"].values() for part in _parts(model))
    return _once([weight for weights in parameters for weight in weights if weight is not None])


def _once(items: Sequence[Any]) -> list[Any]:
    return list({id(item): item for item in items}.values())


OBSERVERS = (
    MODEL_OBSERVERS
    | SPECIAL_OBSERVERS
    | {
        "sampling": sampling,
        "value": value,
        "gradient": gradient,
        "module": module,
        "validation": validation,
        "mixed_validation": mixed_validation,
        "freezing": freezing,
        "training": training,
        "coroutine": coroutine,
    }
)


def argument_names(answer: Callable) -> list[str]:
    """Return the names of the answer's parameters, or none if they cannot be read."""
    try:
        return list(inspect.signature(answer).parameters)
    except (TypeError, ValueError):
        return []


def argument_name(answer: Callable, index: int, options: Mapping[str, Any]) -> str:
    """Return the name of an argument: the exercise's own if the case gives it, else that of the answer's parameter."""
    names = options.get("names") or argument_names(answer)
    return names[index] if index < _len(names) else f"argument {index + 1}"


# --------------------------------------------------------------------------------------------------- one guarded call

_THREADS = torch.get_num_threads()
# Without an accelerator, torch.manual_seed still keeps a stack trace for each kind, at every call: 0.2 ms in a kernel.
_HAS_ACCELERATOR = bool(torch.version.cuda or torch.version.hip or torch.version.xpu or torch.backends.mps.is_built())
_manual_seed = torch.manual_seed if _HAS_ACCELERATOR else torch.default_generator.manual_seed
_OWN_FILES = (__file__, encode.__code__.co_filename, coroutine.__code__.co_filename)

_LIBRARIES = ("site-packages", os.path.dirname(asyncio.__file__))


def restore(seed: int) -> None:
    """Reset what earlier code may have changed: grad mode, default dtype and device, threads, warnings, seeds."""
    torch.set_grad_enabled(True)
    torch.set_default_dtype(torch.float32)
    torch.set_default_device(None)
    if torch.get_num_threads() != _THREADS:
        torch.set_num_threads(_THREADS)
    warnings.resetwarnings()
    warnings.simplefilter("ignore")
    random.seed(seed)
    np.random.seed(seed % 2**32)
    _manual_seed(seed)


def observe(
    kind: str, answer: Any, arguments: Sequence[Any], options: Mapping[str, Any], seed: int = 0
) -> dict[str, Any]:
    """Run one observer and return {"values": …} in encoded form, or {"error": {"type", "message", "line"}}.

    The answer may raise anything; a KeyboardInterrupt, from the judge's time limit, is reported like the rest.
    """
    restore(seed)
    try:
        with torch.inference_mode(False), torch.enable_grad():
            seen = OBSERVERS[kind](answer, resolve(arguments), options)
        return {"values": {label: encode(item) for label, item in seen.items()}}
    except BaseException as error:  # the student's code may raise SystemExit, KeyboardInterrupt or its own kind
        return {"error": describe(error)}


def describe(error: BaseException) -> dict[str, str]:
    """Return an exception as text: its type, its message, and the line of the answer that raised it."""
    line, traceback = "", error.__traceback__
    while traceback is not None:
        filename = traceback.tb_frame.f_code.co_filename
        if not any(place in filename for place in _LIBRARIES) and filename not in _OWN_FILES:
            line = linecache.getline(filename, traceback.tb_lineno).strip() or line
        traceback = traceback.tb_next
    kind = _kind_of_error(error)
    try:
        message = str(error)
    except Exception:
        message = "(its message could not be read)"
    return {"type": kind, "message": message[:500], "line": line[:200]}


def _kind_of_error(error: BaseException) -> str:
    """Return the name of the built-in type that an exception derives from: a student's own name can say anything."""
    return next((known.__name__ for known in _type(error).__mro__ if known.__module__ == "builtins"), "Exception")
