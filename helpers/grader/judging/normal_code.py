"""The normal form of an answer's code, in which the class report compares it with others (`reports/similarity.py`).

Comments, spacing, quotes, docstrings and texts are left out, and every name that the answer itself binds becomes one
and the same word. It is computed where the submission is judged, since it means parsing what a student wrote.
"""

from __future__ import annotations

import ast
import io
import tokenize

MAX_CHARACTERS = 200_000


def normal_tokens(source: str) -> str:
    """Return the tokens of normalised code, one a line; "" if it does not parse."""
    try:
        read = tokenize.generate_tokens(io.StringIO(normalised(source)).readline)
        return "\n".join(token.string for token in read if token.string.strip())[:MAX_CHARACTERS]
    except (tokenize.TokenError, SyntaxError):
        return ""


def normalised(source: str) -> str:
    """Return code without comments, docstrings, texts and names that it binds; empty if it does not parse."""
    try:
        tree = ast.parse(source)
        return ast.unparse(_Normaliser(_bound_names(tree)).visit(tree))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ""


def _bound_names(tree: ast.AST) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.arg):
            names.add(node.arg)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.add(node.name)
    return names


class _Normaliser(ast.NodeTransformer):
    """Replace the names that the code binds by one word, and remove docstrings, annotations and texts."""

    def __init__(self, bound: set[str]) -> None:
        self.bound = bound

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return ast.Name("v", node.ctx) if node.id in self.bound else node

    def visit_arg(self, node: ast.arg) -> ast.AST:
        return ast.arg("v")

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        self.generic_visit(node)
        return ast.Pass() if node.value is None else ast.copy_location(ast.Assign([node.target], node.value), node)

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        return ast.Constant("") if isinstance(node.value, str) else node

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:
        return ast.Constant("")

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return self._definition(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return self._definition(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        return self._definition(node)

    def _definition(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> ast.AST:
        node.name = "v" if node.name in self.bound else node.name
        if not isinstance(node, ast.ClassDef):
            node.returns = None
        self.generic_visit(node)
        first = node.body[0]
        if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
            node.body = node.body[1:] or [ast.Pass()]
        return ast.fix_missing_locations(node)
