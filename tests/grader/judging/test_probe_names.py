"""The probe's files run in one namespace, so no two of them may use one name for different things."""

from __future__ import annotations

import ast

from helpers.grader.judging.student_kernel import PROBE_FILES


def defined_names(path) -> dict[str, str]:
    """What each name of a file's top level stands for, as source; a tuple's parts are taken apart."""
    found = {}
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found[node.name] = ast.unparse(node)
        elif isinstance(node, ast.Assign):
            for target in node.targets:
                parts = zip(target.elts, node.value.elts, strict=True) if _both_tuples(target, node.value) else None
                for name, value in parts or [(target, node.value)]:
                    found[ast.unparse(name)] = ast.unparse(value)
    return found


def _both_tuples(target: ast.expr, value: ast.expr) -> bool:
    return isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple)


def test_no_file_of_the_probe_takes_a_name_of_another():
    meanings: dict[str, set[str]] = {}
    for path in PROBE_FILES:
        for name, meaning in defined_names(path).items():
            meanings.setdefault(name, set()).add(meaning)
    assert "coroutine" in meanings and "_wait" in meanings
    assert {name: kinds for name, kinds in meanings.items() if len(kinds) > 1} == {}
