"""Draws depend on the seed and the label alone, lie within their bounds, and are repeated until they fit."""

import pytest

from helpers.grader.course.draw import Draw


def test_a_draw_depends_on_seed_and_label_and_on_nothing_else():
    assert Draw(7)("logits") == 1_866_301_803, "the same in every process and version"
    assert len({Draw(seed)(label) for seed in (7, 8) for label in ("logits", "labels")}) == 4
    inside = Draw(7).within("case")
    assert inside("logits") == Draw(7)("case/logits") != Draw(7)("logits")


def test_draws_are_seeds_within_31_bits():
    drawn = [Draw(7)(label) for label in range(2000)]
    assert max(drawn) < 2**31 and max(drawn) > 2**31 - 2**23 and len(set(drawn)) == 2000


def test_numbers_reach_both_bounds_and_no_further():
    assert {Draw(7).integer(label, -2, 3) for label in range(200)} == {-2, -1, 0, 1, 2, 3}
    assert {Draw(7).choice(label, "abc") for label in range(50)} == set("abc")


def test_samples_hold_no_item_twice_and_come_in_every_order():
    assert {tuple(Draw(7).shuffled(label, 1, 2, 3)) for label in range(200)} == {
        (1, 2, 3), (1, 3, 2), (2, 1, 3), (2, 3, 1), (3, 1, 2), (3, 2, 1),
    }  # fmt: skip
    sampled = Draw(7).sample("names", range(10), 4)
    assert len(set(sampled)) == 4 and set(sampled) <= set(range(10))


def test_a_draw_is_repeated_until_it_has_its_property():
    made = []

    def make(draw):
        made.append(draw.integer("number", 0, 9))
        return made[-1]

    assert Draw(7).until("seven", make, lambda number: number == 7) == 7 == made[-1]
    assert 7 not in made[:-1] and len(made) > 1
    with pytest.raises(ValueError, match="^none of 20000 draws of never has the property"):
        Draw(7).until("never", make, lambda number: number > 9)


def test_a_draw_does_not_show_its_seed():
    assert "4730219385617204981" not in repr(Draw(4_730_219_385_617_204_981))
