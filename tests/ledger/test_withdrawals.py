"""Withdrawn pictures and lost calls, on a real PostgreSQL."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.errors import Rejected
from services.common.events import CallAbstention, CallWithdrawal, Event, PhenotypeCall
from services.ledger import queries
from services.ledger.database import Connection
from services.ledger.writer import Ledger
from services.operations.withdrawal import WithdrawalRequest, find_views, withdrawals_of
from tests.ledger.conftest import empty
from tests.ledger.examples import (
    abstention,
    call,
    call_withdrawal,
    image,
    image_withdrawal,
    minutes,
    records,
    rejection,
    sha256,
    view,
)
from tests.ledger.test_ledger import on_one_ledger

pytestmark = pytest.mark.integration
_rank = st.tuples(st.integers(2, 5), st.integers(1, 2))
_truths: st.SearchStrategy[Event] = st.one_of(
    st.builds(lambda rank, activation: call("a", rank[0], rank[1], activation), _rank, st.integers(1, 2)),
    st.builds(lambda rank: call_withdrawal("a", *rank), _rank),
    st.builds(
        lambda rank, activation: abstention("a", rank[0], generation=rank[1], activation=activation),
        _rank,
        st.integers(1, 2),
    ),
)
_STATES: dict[type[Event], str] = {
    PhenotypeCall: "called",
    CallAbstention: "abstained",
    CallWithdrawal: "withdrawn",
}


def rank(event: Event) -> tuple[int, int, int, str]:
    assert isinstance(event, PhenotypeCall | CallAbstention | CallWithdrawal)
    return event.preprocessing_generation, event.revision, event.activation, event.call_id


@on_one_ledger
@given(st.lists(_truths, min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_the_highest_rank_is_current_whatever_the_order(
    ledger: Ledger, reader: Connection, seen: list[Event], random: Random
) -> None:
    newest = max(seen, key=rank)
    empty(reader)
    ledger.write(records([image("a")]))
    random.shuffle(seen)
    for event in [*seen, *seen[:2]]:
        ledger.write(records([event]))
    state = queries.specimen_state(reader, "a")
    assert state is not None
    assert [one.call for one in queries.current_calls(reader)] == [newest] * isinstance(newest, PhenotypeCall)
    assert state.state == _STATES[type(newest)]
    assert queries.current_abstentions(reader) == [newest] * isinstance(newest, CallAbstention)
    decided = {"a": newest} if not isinstance(newest, CallWithdrawal) else {}
    assert queries.current_outcomes_of(reader, ["a", "b"]) == decided
    assert [one.call for one in queries.calls_of(reader, "a") if one.current] == [
        one.call for one in queries.current_calls(reader)
    ]
    with queries.stored_calls(reader, history=False, centre=None) as (number, found):
        assert [one.call for one in found] == [newest] * number


def test_a_lost_call_is_kept_in_the_history(ledger: Ledger, reader: Connection) -> None:
    gone = image_withdrawal("a", "LAT", "b")
    ledger.write(records([view("a", "DV", "a"), view("a", "LAT", "b"), view("a", "LAT", "c"), call("a")]))
    ledger.write(records([gone, gone, call_withdrawal("a")]))
    history = queries.specimen_history(reader, "a")
    assert history is not None
    assert history.state is not None
    assert (history.state.state, history.state.since) == ("withdrawn", minutes(3))
    assert (history.state.dv_views, history.state.lat_views, history.state.call_id) == (1, 1, None)
    assert [(one.call.revision, one.current) for one in history.calls] == [(2, False)]
    assert [(one.withdrawal_id, one.withdrawal) for one in history.withdrawals] == [(gone.withdrawal_id, gone)]
    assert history.call_withdrawals == (call_withdrawal("a"),)


def test_an_image_leads_to_its_views(ledger: Ledger, reader: Connection) -> None:
    twice = image("m", "twice", sha256=sha256("twice"))
    again = image("m", "twice", "IMPC_XRY_048_001", sha256=sha256("twice"))
    theirs = image("m", "twice", centre="TCP")
    ledger.write(records([twice, again, theirs]))
    for event, which in ((twice, "DV"), (again, "LAT"), (theirs, "DV")):
        stored = view("m", "LAT" if which == "LAT" else "DV", "twice", image_event_id=event.event_id)
        ledger.write(records([stored.model_copy(update={"centre": event.centre})]))
    ledger.write(records([view("m", "LAT", "other")]))

    def found(wanted: str, **restricted: str) -> list[tuple[str, str, str]]:
        views = find_views(reader, WithdrawalRequest(wanted, **restricted))  # type: ignore[arg-type]
        return [(one.centre, one.view, one.image_sha256[:6]) for one in views]

    digest, other = sha256("twice")[:6], sha256("other")[:6]
    both = [("JAX", "DV", digest), ("TCP", "DV", digest), ("JAX", "LAT", digest)]
    assert found(sha256("twice")[:12]) == both
    assert sorted(found("m")) == sorted([*both, ("JAX", "LAT", other)])
    assert found("m", centre="TCP") == [("TCP", "DV", digest)]
    assert found(sha256("twice"), view="DV", centre="JAX") == [("JAX", "DV", digest)]
    assert found(theirs.event_id) == [("TCP", "DV", digest)]


def test_a_withdrawn_view_is_not_withdrawn_again(ledger: Ledger, reader: Connection) -> None:
    ledger.write(records([image("m", "a"), view("m", "DV", "a"), view("m", "LAT", "b")]))
    first = withdrawals_of(find_views(reader, WithdrawalRequest("m")), reason="x", who="anna", withdrawn_at=minutes(9))
    assert [(one.view, one.image_sha256) for one in first] == [("DV", sha256("a")), ("LAT", sha256("b"))]
    ledger.write(records(first[:1]))
    views = find_views(reader, WithdrawalRequest("m"))
    assert [one.withdrawn for one in views] == [True, False]
    assert [one.view for one in withdrawals_of(views, reason="x", who="anna", withdrawn_at=minutes(9))] == ["LAT"]


def test_only_images_can_be_withdrawn(ledger: Ledger, reader: Connection) -> None:
    ledger.write(records([image("m"), call("m"), rejection("n")]))
    for wanted, reason in (("x", "id_unknown"), (call("m").call_id, "not_an_image"), ("m", "no_view")):
        with pytest.raises(Rejected) as caught:
            find_views(reader, WithdrawalRequest(wanted))
        assert caught.value.reason == reason


def test_images_of_a_held_specimen_and_withdrawn_ones_have_a_fate(ledger: Ledger, reader: Connection) -> None:
    held, waiting = image("m", "held"), image("n", "waiting")
    ledger.write(records([held, waiting]))
    ledger.write(records([view("m", "DV", "1", image_event_id=held.event_id, image_uri=held.image_uri)]))
    ledger.write(records([view("m", "LAT", "2"), view("n", "DV", "3", image_event_id=waiting.event_id)]))

    def fates() -> dict[str, str]:
        return {one.biological_sample_id: one.fate for one in queries.image_fates(reader)}

    assert fates() == {"m": "uncalled", "n": "incomplete"}
    ledger.write(records([call_withdrawal("m", reason="centres_conflict"), image_withdrawal("n", "DV", "3")]))
    assert fates() == {"m": "rejected", "n": "rejected"}
