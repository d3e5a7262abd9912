from datetime import timedelta

import pytest

from services.common.events import ModelActivation
from services.monitor.counting import EDGES, UNKNOWN_CENTRE, bin_of, observe
from tests.ledger.examples import NOON, call, image, minutes, rejection, view

LATER = NOON + timedelta(days=3)


def test_everything_counts_when_its_image_was_announced() -> None:
    assert observe(image("a"), NOON).moment == NOON
    for event in (view("a"), call("a"), rejection("a")):
        assert observe(event, LATER).moment == NOON


def test_an_image_counts_and_one_that_no_model_uses_is_skipped() -> None:
    assert observe(image("a"), NOON).adds == ("images",)
    assert observe(image("a", parameter="IMPC_XRY_051_001"), NOON).adds == ("images", "skipped")
    assert observe(image("a", parameter="HAS_XRY_034_001"), NOON).adds == ("images",)


def test_a_view_counts_with_the_bins_of_its_scores() -> None:
    event = view("a", scores={"contrast": 0.04, "touching": 0.0, "animals": 1.0, "of_a_later_version": 3.0})
    assert observe(event, NOON).adds == ("accepted", "score:contrast:1", "score:touching:0", "score:animals:1")


def test_a_call_counts_its_positive_and_uncertain_labels() -> None:
    adds = observe(call("a"), NOON).adds
    assert adds == ("calls", "positive:Abnormal", "positive:Spine", "uncertain", "disagreement")
    healthy = call("a", vector=(0,) * 13, abnormal=False, uncertain=(), disagreement=())
    assert observe(healthy, NOON).adds == ("calls",)


@pytest.mark.parametrize("centre", [None, "", " ", "a\x00b"])
def test_a_rejection_without_a_readable_centre_is_counted_separately(centre: str | None) -> None:
    assert observe(rejection("a", centre=centre), NOON).centre == UNKNOWN_CENTRE
    assert observe(rejection("a"), NOON).centre == "JAX"
    assert observe(rejection("a"), NOON).adds == ("rejected:view_blank",)


def test_deliveries_of_one_event_share_an_identity_and_others_do_not() -> None:
    again = [image("a"), view("a", produced_at=minutes(9)), call("a", produced_at=minutes(9)), rejection("a")]
    first = [image("a", produced_at=NOON), view("a"), call("a"), rejection("a", produced_at=minutes(9))]
    identities = [observe(event, NOON).identity for event in first]
    assert identities == [observe(event, LATER).identity for event in again]
    others = [image("b"), view("a", name="b"), call("a", revision=3), rejection("a", offset=1)]
    assert len({*identities, *(observe(event, NOON).identity for event in others)}) == 8


def test_other_events_are_a_mistake_of_the_program() -> None:
    event = ModelActivation(activation=1, versions={"cae": 1}, why="first", produced_at=NOON)
    with pytest.raises(TypeError, match="ModelActivation"):
        observe(event, NOON)


def test_every_score_of_intake_has_a_histogram() -> None:
    """The scores of a real picture: simulated, encoded and standardised."""
    from services.intake.settings import Limits
    from services.intake.standardise import standardise
    from tests.pipeline.mice import mouse

    scores = standardise(mouse("a", seed=1, images=1)[0].data, "DV", Limits()).scores
    assert set(scores) == set(EDGES)


def test_an_edge_belongs_to_the_bin_above() -> None:
    assert [bin_of("animals", value) for value in (0.0, 0.5, 1.0, 1.5, 9.0)] == [0, 1, 1, 2, 2]
    assert bin_of("unheard_of", 1.0) is None
