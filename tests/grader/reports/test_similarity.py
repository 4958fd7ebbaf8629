"""Nearly identical answers: a copy in other clothes is found, what everybody writes is not."""

from helpers.grader.judging.normal_code import MAX_CHARACTERS, normal_tokens, normalised
from helpers.grader.judging.record import MAX_WORK
from helpers.grader.reports import similarity
from helpers.grader.reports.similarity import known_runs


def near_identical(answers, known):
    """Compare source code as the class report does: by the tokens that the judge has taken from it."""
    tokens = {
        student: {name: normal_tokens(source) for name, source in code.items()} for student, code in answers.items()
    }
    return similarity.near_identical(tokens, known)


ONE_LINER = "def double(values):\n    if not len(values): raise ValueError\n    return values.add(values)"

LONG = '''
def double(values):
    """Twice."""
    if values.numel() == 0:
        raise ValueError("nothing there")
    pieces = []
    for position in range(values.shape[0]):
        piece = values[position]
        pieces.append(torch.stack([piece, piece]).sum())
    joined = torch.stack(pieces)
    return torch.where(joined == joined, joined, torch.zeros_like(joined))
'''

DISGUISED = """
# all my own work
def double(x):
    "I double the numbers of x."
    if x.numel() == 0:
        raise ValueError(f"empty: {x}")
    out: list = []
    for i in range(x.shape[0]):
        v = x[i]
        out.append(torch.stack([v, v]).sum())   # add them
    result = torch.stack(out)
    return torch.where(result == result, result, torch.zeros_like(result))
"""

OTHER = """
def double(values):
    assert_some = values.numel()
    if assert_some < 1:
        raise ValueError("empty")
    two = torch.full_like(values, 2)
    grid = torch.einsum("i,i->i", values, two)
    total = grid.reshape(-1).clone()
    kept = [item for item in total]
    return torch.stack(kept).to(values.dtype).view(values.shape).contiguous()
"""


def test_a_copy_with_other_names_comments_docstring_and_messages_is_found():
    found = near_identical({"ada": {"double": LONG}, "ben": {"double": DISGUISED}, "cem": {"double": OTHER}}, set())
    assert [group.students for group in found] == [("ada", "ben")]
    assert found[0].share == 1 and found[0].exercises == ("double",)
    assert normalised(LONG) == normalised(DISGUISED) != normalised(OTHER)


def test_a_line_that_everybody_writes_is_no_evidence_in_a_class_of_any_size():
    for size in (2, 3, 11, 60):
        assert near_identical({f"s{place}": {"double": ONE_LINER} for place in range(size)}, set()) == []


def test_long_answers_that_a_large_part_of_the_class_shares_are_no_evidence():
    students = {f"s{place}": {"double": LONG} for place in range(8)}
    assert near_identical(students | {"t1": {"double": OTHER}}, set()) == []


def test_what_the_lab_itself_holds_is_no_evidence(mini):
    known = known_runs(mini)
    for name in ("double", "Average"):
        own = mini._ids("")[name].source
        assert near_identical({"ada": {name: own}, "ben": {name: own}}, known) == []
    wrong = "class Average(torch.nn.Module):\n    def __init__(self, weight=1.0):\n        super().__init__()\n"
    wrong += "        self.weight = weight\n    def forward(self, values):\n        return values.sum() * self.weight"
    assert near_identical({"ada": {"Average": wrong}, "ben": {"Average": wrong}}, known) == []


def test_code_that_does_not_parse_is_left_out():
    assert near_identical({"ada": {"double": "def ("}, "ben": {"double": "def ("}}, set()) == []
    assert normalised("x = (" * 10_000) == ""


def test_every_two_of_a_group_agree():
    three = {"a": LONG, "b": DISGUISED, "c": LONG + "# mine"}
    others = {f"s{place}": {"double": OTHER.replace("2", str(place))} for place in range(30)}
    found = near_identical({name: {"double": code} for name, code in three.items()} | others, set())
    assert [group.students for group in found] == [("a", "b", "c")]


def test_tokens_are_one_a_line_and_no_more_than_a_record_takes():
    assert normal_tokens("x = f(1)  # one") == "v\n=\nf\n(\n1\n)"
    assert normal_tokens("x = b'a b\\n'").split("\n")[-1] == "b'a b\\n'"
    assert len(normal_tokens("a;" * 199_999)) == MAX_CHARACTERS <= MAX_WORK
