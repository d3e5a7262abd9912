import math

import pytest

from training.markdown import escaped, number, share, table


def test_a_bar_in_a_cell_does_not_break_the_table() -> None:
    assert table(("a", "b"), [("x|y", 1)]) == "| a | b |\n| --- | --- |\n| x\\|y | 1 |"


def test_numbers_are_aligned_to_the_right() -> None:
    assert table(("label", "AUC"), [], align_right=True).splitlines()[1] == "|---|---:|"


def test_text_from_outside_stays_on_its_line_and_is_no_markup() -> None:
    assert escaped("a\nb <i>[x](y)") == "a b \\<i\\>\\[x\\](y)"


@pytest.mark.parametrize(("value", "text"), [(None, "-"), (math.nan, "-"), (0.98765, "0.988")])
def test_a_missing_number_is_a_dash(value: float | None, text: str) -> None:
    assert number(value) == text


def test_a_share_is_in_per_cent() -> None:
    assert share(0.1234) == "12.3 %"
