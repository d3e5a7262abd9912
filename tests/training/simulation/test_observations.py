"""The table of observations matches what is drawn, and the page matches the table."""

import pytest

from services.common.observations import by_parameter
from training.simulation.observations import PAGE, SHOWN, drawn_by, with_table


def test_every_row_of_the_label_table_is_accounted_for() -> None:
    assert set(SHOWN) == set(by_parameter())


@pytest.mark.parametrize("identifier", SHOWN)
def test_an_observation_shows_in_a_view_exactly_if_a_kind_draws_it(identifier: str) -> None:
    shown = SHOWN[identifier]
    assert bool(shown.views) == (identifier in drawn_by())
    assert shown.views or shown.remark, "what is not drawn needs a reason"


def test_only_the_free_text_is_not_drawn() -> None:
    assert set(SHOWN) - set(drawn_by()) == {"IMPC_XRY_054_001"}


def test_the_page_contains_the_generated_table() -> None:
    """If this fails: `python -m training.simulation.observations`."""
    page = PAGE.read_text(encoding="utf-8")
    assert page == with_table(page)
