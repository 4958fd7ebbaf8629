"""helpers.data.teacher_logits: tokens as a plot labels them."""

from helpers.data.teacher_logits import readable


def test_readable_shows_what_is_invisible():
    assert [readable(token) for token in (" much", "'s", "\n", " ", " $")] == ["much", "'s", "\\n", "␣", "\\$"]
