"""What is told of an error after a hidden case: its class and words of ours, nothing that the process chose."""

import pytest

from helpers.checks.error_causes import NOT_WRITTEN, explain_error
from helpers.grader.judging.error_verdicts import classify_error
from helpers.grader.judging.error_words import MAX_MESSAGE_CHARACTERS, error_words, syntax_words

SECRET = "tensor([31.25, -7.5])"
GENERAL = explain_error({"type": "RuntimeError", "message": "", "line": ""})


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("RuntimeError", SECRET),
        ("ValueError", f"view size {SECRET}"),
        (f"Error{SECRET}", "x"),
        ("NotImplementedError", f"{SECRET} {NOT_WRITTEN}"),
        ("NameError", "name 'secret_31' is not defined"),
        ("AttributeError", "'secret_31' object has no attribute 'secret_31'"),
        ("ImportError", "secret_31 is not available in this lab: it holds"),
        ("ModuleNotFoundError", "No module named 'secret_31'"),
    ],
)
def test_what_the_process_chose_is_not_told(kind, message):
    told = error_words(kind, message, "return secret(values)", ["double"])
    assert "31" not in told and told in (kind, "an error")


@pytest.mark.parametrize(
    ("kind", "message", "line", "words"),
    [
        ("NameError", "name 'valeus' is not defined", "return valeus * 2", "name 'valeus' is not defined"),
        ("AttributeError", "'Tensor' object has no attribute 'mena'", "x.mena()", "there is no attribute 'mena'"),
        ("UnboundLocalError", "cannot access local variable 'loss' where it is not", "return loss",
         "variable 'loss' has no value yet"),
        ("RuntimeError", "The size of tensor a (3) must match the size of tensor b (31)", "",
         "the shapes of the tensors do not fit together"),
        ("RuntimeError", "expected scalar type Float", "", "the dtypes of the tensors do not fit together"),
        ("IndexError", "index 31 is out of bounds for dimension 0", "", "an index is out of range"),
        ("NotImplementedError", f"double {NOT_WRITTEN}", "", f"double {NOT_WRITTEN}"),
        ("ImportError", "helpers.losses is not available in this lab: x", "from helpers.losses import kl",
         "helpers.losses is not available in this lab: it holds what you are asked to write"),
    ],
)  # fmt: skip
def test_a_well_known_message_has_words(kind, message, line, words):
    assert error_words(kind, message, line, ["double"]) == f"{kind}: {words}"


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("TypeError", "double() missing 1 required positional argument: 'values'"),
        ("RuntimeError", "view size is not compatible with input tensor's size and stride"),
        ("RuntimeError", "element 0 of tensors does not require grad and does not have a grad_fn"),
        ("NotImplementedError", f"double {NOT_WRITTEN}"),
        ("UnboundLocalError", "cannot access local variable 'loss'"),
        ("NameError", "name 'x' is not defined"),
    ],
)
def test_feedback_explains_the_words_as_it_explains_the_message(kind, message):
    told_kind, _, told = error_words(kind, message, "", ["double"]).partition(": ")
    explained = explain_error({"type": told_kind, "message": told, "line": ""})
    assert explained == explain_error({"type": kind, "message": message, "line": ""}) != GENERAL


def test_a_long_message_is_not_read_to_its_end():
    assert classify_error("OSError", "x" * MAX_MESSAGE_CHARACTERS + "No space left on device", "/tmp/x") == (
        "error",
        "",
    )
    assert classify_error("OSError", "No space left on device", "/tmp/x")[1] == "the quota for files was used up"


def test_a_syntax_error_is_told_as_python_tells_it():
    assert syntax_words("def f()\n    pass") == "expected ':' (line 1 of the cell)"
    assert syntax_words("x = 1") == ""
