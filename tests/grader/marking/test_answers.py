"""Which answers are the same, which are nearly so, and how they differ."""

import pytest

from helpers.grader.marking.answers import MAX_WORDS, Piece, differences, group_answers, near_identical

LONG = "With the teacher first, the average runs over the tokens that the teacher considers likely."


def groups_of(*texts):
    return group_answers({f"s{number}": text for number, text in enumerate(texts)})


@pytest.mark.parametrize(
    "other",
    [
        "  The  gradient\n\nis T² times smaller: a café. ",
        "The gradient is T² times smaller: a cafe\u0301.",  # é in two characters
        "The gra\u00addient is\u200b T² times smaller: a café.",  # a soft hyphen and a space of no width
        "\u202eThe gradient is T² times smaller: a café.",  # written from the right
    ],
)
def test_white_space_and_ways_to_write_a_character_do_not_matter(other):
    (group,) = groups_of("The gradient is T² times smaller: a café.", other)
    assert group.students == ("s0", "s1")


@pytest.mark.parametrize("other", ["The gradient is T2 times smaller.", "the gradient is T² times smaller.", "No."])
def test_what_reads_differently_is_another_group(other):
    assert len(groups_of("The gradient is T² times smaller.", other)) == 2


def test_the_largest_group_comes_first_in_its_most_frequent_form():
    first, second = groups_of("b", "a  b", "a b", "a b")
    assert first.text == "a b" and first.students == ("s1", "s2", "s3") and second.text == "b"


def test_nearly_the_same_is_proposed_and_not_merged():
    groups = groups_of(LONG, LONG.replace("the teacher considers", "the teacher never considers"), "No idea.")
    assert len(groups) == 3 and near_identical(groups[0], groups) == []
    (near,) = near_identical(groups[1], groups)
    assert [piece for piece in near.pieces if piece.kind != "same"] == [Piece("other", "never ")]
    assert any(piece.kind != "same" and "never" in piece.text for piece in near.pieces)
    assert 0.9 < near.share < 1


def test_differences_read_as_either_text():
    pieces = differences("a b c", "a x c d")
    assert "".join(piece.text for piece in pieces if piece.kind != "own") == "a x c d"
    assert "".join(piece.text for piece in pieces if piece.kind != "other") == "a b c"
    assert Piece("own", "b") in pieces and Piece("other", "x") in pieces


def test_hidden_characters_are_not_shown():
    (group,) = groups_of("safe\u202e\x1b[31m\ud800 text")
    assert group.text == "safe[31m text"


def test_answers_that_take_long_to_compare_are_not_compared():
    words = "a b " * (MAX_WORDS // 2)
    first, second = groups_of(words, words + "c")
    assert near_identical(first, [first, second]) == near_identical(second, [first, second]) == []
    first, second = groups_of(words[:-2], words)
    assert [near.group for near in near_identical(first, [first, second])] == [second]
