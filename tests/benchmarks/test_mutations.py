"""Mutants differ from the reference in one place, and can be run."""

import ast

from benchmarks.mutations import mutants_of

SOURCE = '''
def shifted_mean(values: torch.Tensor, mask: torch.Tensor, weight: float) -> torch.Tensor:
    """Return the weighted mean of the counted values, all but the first."""
    if values.dim() != 2:
        raise ValueError("values must have two dimensions")
    return weight * (values[:, 1:] * mask[:, 1:]).sum(dim=-1) / mask.sum()
'''


def test_every_mutant_is_another_program_that_compiles():
    tree = ast.parse(SOURCE)
    before, seen = ast.unparse(tree), {}
    for changed, mutant in mutants_of(tree, "shifted_mean"):
        compile(mutant, "<mutant>", "exec")
        seen[changed] = ast.unparse(mutant)
        assert seen[changed] != before, changed
    assert ast.unparse(tree) == before, "the reference itself stays"
    for part in (
        "TypeError raised",
        "nothing raised",
        "never: values.dim() != 2",
        "mean() for sum()",
        "dim=0 in",
        "[:, :-1] in values[:, 1:]",
        "values and mask exchanged",
        "weight is 1",
        "mask is all ones",
        "values changed in place",
        "return (…).detach()",
        "nothing returned",
    ):
        assert any(changed.startswith(part) for changed in seen), part
