"""What can go wrong in a solution, as changes of its syntax tree: the operators of `benchmarks.mutants`."""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterator

Change = tuple[str, ast.AST]  # what is changed, and what stands in the node's place
Operator = Callable[[ast.AST], Iterator[Change]]

BINARY = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.Pow: ast.Mult}
COMPARED = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
CALLED = {
    "softmax": ("log_softmax",),
    "log_softmax": ("softmax",),
    "mean": ("sum",),
    "sum": ("mean",),
    "max": ("min",),
    "min": ("max",),
    "log": ("log2", "exp"),
    "exp": ("log",),
    "logsumexp": ("sum",),
}
DROPPED = ("detach", "mean", "sum", "exp", "log", "clamp", "float", "bool", "sqrt", "abs", "strip", "eval", "train")
AXES = ("dim", "axis")
SHIFTED = {":-1": ("1:", ":"), "1:": (":-1", ":")}


def mutants_of(tree: ast.Module, name: str) -> Iterator[tuple[str, ast.Module]]:
    """Return every mutant of a cell that defines `name`, as (what was changed, the changed tree)."""
    target = next(node for node in tree.body if getattr(node, "name", "") == name)
    for node in ast.walk(target):
        for operator in OPERATORS:
            for changed, other in operator(node):
                yield f"{changed}, line {node.lineno}" if hasattr(node, "lineno") else changed, _with(tree, node, other)
    for function in (node for node in ast.walk(target) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)):
        for changed, body in _bodies(function):
            yield f"{changed} in {function.name}()", _with_body(tree, function, body)


def _with(tree: ast.Module, node: ast.AST, other: ast.AST) -> ast.Module:
    """Return a copy of the tree with `other` in the place of `node`."""
    memo: dict[int, object] = {id(node): ast.copy_location(other, node)}
    return ast.fix_missing_locations(copy.deepcopy(tree, memo))


def _with_body(tree: ast.Module, function: ast.FunctionDef | ast.AsyncFunctionDef, body: list[ast.stmt]) -> ast.Module:
    other = copy.copy(function)
    other.body = body
    return _with(tree, function, other)


def _parsed(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body


def _code(node: ast.AST) -> str:
    text = " ".join(ast.unparse(node).split())
    return text if len(text) < 60 else f"{text[:57]}…"


# ------------------------------------------------------------------------------------------------------- the operators


def _numbers(node: ast.AST) -> Iterator[Change]:
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        yield f"{node.value} + 1", ast.Constant(node.value + 1)
        if node.value not in (0, 1):
            yield f"{node.value} · 2", ast.Constant(node.value * 2)


def _operators(node: ast.AST) -> Iterator[Change]:
    if isinstance(node, ast.BinOp) and type(node.op) in BINARY:
        yield f"another operator in {_code(node)}", ast.BinOp(node.left, BINARY[type(node.op)](), node.right)
        if isinstance(node.op, ast.Mult | ast.Div):
            yield f"only the left of {_code(node)}", node.left
        if isinstance(node.op, ast.Mult | ast.Add | ast.Sub):
            yield f"only the right of {_code(node)}", node.right
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.Not | ast.Invert):
        yield f"without the sign of {_code(node)}", node.operand
    if isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in COMPARED:
        other = ast.Compare(node.left, [COMPARED[type(node.ops[0])]()], node.comparators)
        yield f"another comparison in {_code(node)}", other
    if isinstance(node, ast.BoolOp):
        yield f"only the first of {_code(node)}", node.values[0]
        yield f"only the last of {_code(node)}", node.values[-1]


def _calls(node: ast.AST) -> Iterator[Change]:
    if not isinstance(node, ast.Call):
        return
    named = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    for other in CALLED.get(named, ()):
        yield f"{other}() for {named}() in {_code(node)}", _renamed(node, other)
    if named in DROPPED and isinstance(node.func, ast.Attribute) and _code(node.func.value) not in ("torch", "F"):
        yield f"without .{named}() in {_code(node)}", node.func.value
    if len(node.args) > 1 and not any(isinstance(item, ast.Starred) for item in node.args):
        exchanged = [node.args[1], node.args[0], *node.args[2:]]
        yield f"arguments exchanged in {_code(node)}", ast.Call(node.func, exchanged, node.keywords)


def _keywords(node: ast.AST) -> Iterator[Change]:
    if not isinstance(node, ast.Call):
        return
    for place, keyword in enumerate(node.keywords):
        if keyword.arg in AXES:
            for axis in ("0", "1", "-1", "-2"):
                if _code(keyword.value) != axis:
                    yield f"{keyword.arg}={axis} in {_code(node)}", _with_keyword(node, place, _parsed(axis))
        elif isinstance(keyword.value, ast.Constant) and isinstance(keyword.value.value, bool):
            value = ast.Constant(not keyword.value.value)
            yield f"{keyword.arg}={value.value} in {_code(node)}", _with_keyword(node, place, value)
        elif keyword.arg:
            yield (
                f"without {keyword.arg}= in {_code(node)}",
                ast.Call(node.func, node.args, node.keywords[:place] + node.keywords[place + 1 :]),
            )


def _renamed(node: ast.Call, name: str) -> ast.Call:
    is_method = isinstance(node.func, ast.Attribute)
    func = ast.Attribute(node.func.value, name, ast.Load()) if is_method else ast.Name(name, ast.Load())
    return ast.Call(func, node.args, node.keywords)


def _with_keyword(node: ast.Call, place: int, value: ast.expr) -> ast.Call:
    keywords = list(node.keywords)
    keywords[place] = ast.keyword(keywords[place].arg, value)
    return ast.Call(node.func, node.args, keywords)


def _slices(node: ast.AST) -> Iterator[Change]:
    if not isinstance(node, ast.Subscript) or not isinstance(node.ctx, ast.Load):
        return
    yield f"without the index in {_code(node)}", node.value
    if isinstance(node.slice, ast.Slice | ast.Tuple):
        parts = [ast.unparse(part) for part in getattr(node.slice, "elts", [node.slice])]
        for place, part in enumerate(parts):
            for other in SHIFTED.get(part, ()):
                text = ", ".join([*parts[:place], other, *parts[place + 1 :]])
                shifted = ast.parse(f"x[{text}]", mode="eval").body
                assert isinstance(shifted, ast.Subscript)
                yield f"[{text}] in {_code(node)}", ast.Subscript(node.value, shifted.slice, ast.Load())


def _statements(node: ast.AST) -> Iterator[Change]:
    if isinstance(node, ast.Return) and node.value is not None:
        value = node.value
        yield f"nothing returned: {_code(value)}", ast.Expr(value)
        for text in ("2 * ({0})", "-({0})", "0.6931471805599453 * ({0})", "({0}).detach()", "str({0})", "[{0}]"):
            changed = text.format(ast.unparse(value))
            yield f"return {text.format('…')}", ast.Return(_parsed(changed))
    if isinstance(node, ast.Raise) and node.exc is not None:
        yield "TypeError raised", ast.Raise(_parsed("TypeError('no')"))
        yield "nothing raised", ast.Pass()
    if isinstance(node, ast.If):
        yield f"never: {_code(node.test)}", ast.If(ast.Constant(False), node.body, node.orelse)
        yield f"always: {_code(node.test)}", ast.If(ast.Constant(True), node.body, node.orelse)
    if isinstance(node, ast.AugAssign):
        yield f"no adding up: {_code(node)}", ast.Assign([node.target], node.value)
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        yield f"without {_code(node)}", ast.Pass()
    if isinstance(node, ast.With):
        yield f"without {_code(node.items[0])}", ast.If(ast.Constant(True), node.body, [])


OPERATORS: tuple[Operator, ...] = (_numbers, _operators, _calls, _keywords, _slices, _statements)


def _bodies(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[tuple[str, list[ast.stmt]]]:
    """Return the function's body with arguments exchanged, ignored or changed in place, as their types allow."""
    kinds = {item.arg: _code(item.annotation) if item.annotation else "" for item in function.args.args}
    names = [name for name in kinds if name != "self"]
    if function.name == "__init__":
        return
    for one, two in zip(names, names[1:], strict=False):
        if kinds[one] == kinds[two]:
            yield f"{one} and {two} exchanged", [*ast.parse(f"{one}, {two} = {two}, {one}").body, *function.body]
    for name in names:
        if "float" in kinds[name]:
            yield f"{name} is 1", [*ast.parse(f"{name} = 1.0").body, *function.body]
        if "Tensor" not in kinds[name]:
            continue
        guarded = f"import torch\nif isinstance({name}, torch.Tensor):\n    "
        yield f"{name} is all ones", [*ast.parse(f"{guarded}{name} = torch.ones_like({name})").body, *function.body]
        other = f"~{name} if {name}.dtype == torch.bool else {name} + 1"
        in_place = f"with torch.no_grad():\n        {name}.copy_({other})"
        rest = copy.deepcopy(function.body)
        if isinstance(rest[-1], ast.Return) and rest[-1].value is not None:
            end = ast.parse(f"_result = {ast.unparse(rest[-1].value)}\n{guarded}{in_place}").body
            returned = ast.Return(ast.Name("_result", ast.Load()))
            yield f"{name} changed in place", [*rest[:-1], *end, returned]
