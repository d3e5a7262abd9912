"""Specimens that the models did not call, facts about animals, and the models' outputs in the ledger."""

from services.common.events import Animal, AnimalFacts, CallReference, PhenotypeCall
from services.ledger import queries
from services.ledger.database import Connection
from services.ledger.writer import Ledger
from tests.ledger.examples import abstention, call, image, records, sha256, view

SCORES = tuple(number / 8 for number in range(14))
FEATURES = (1.5, -2.25, 0.125)


def measured(one: PhenotypeCall) -> PhenotypeCall:
    outputs = tuple(
        output.model_copy(update={"scores": SCORES, "features": FEATURES, "unfamiliar": 0.5}) for output in one.models
    )
    return one.model_copy(update={"models": outputs})


def test_an_abstention_has_its_place_in_history_state_fates_and_counts(ledger: Ledger, reader: Connection) -> None:
    dv, lat = image("a", "1"), image("a", "2", "IMPC_XRY_048_001")
    pictures = [view("a", "DV", "0", image_event_id=dv.event_id), view("a", "LAT", "1", image_event_id=lat.event_id)]
    views = tuple({"view": one.view, "image_sha256": one.image_sha256, "view_key": one.view_key} for one in pictures)
    event = abstention("a", views=views, reasons=("no_reference",), unfamiliarity=0.997)
    for _ in range(2):
        ledger.write(records([dv, lat, *pictures, event]))
    history = queries.specimen_history(reader, "a")
    assert history is not None
    assert history.state is not None
    assert (history.state.state, history.state.since) == ("abstained", event.produced_at)
    assert (history.abstentions, history.calls) == ((event,), ())
    assert {one.fate for one in queries.image_fates(reader)} == {"called"}
    (count,) = queries.centre_counts(reader)
    assert (count.complete, count.called, count.abnormal, count.abstained) == (1, 0, 0, 1)
    progress = queries.cohort_progress(reader, ["a"])
    assert (progress.called, progress.current, progress.complete) == (1, 1, 1)
    ledger.write(records([call("a", revision=3)]))
    assert queries.current_abstentions(reader) == []
    (count,) = queries.centre_counts(reader)
    assert (count.called, count.abstained) == (1, 0)


def test_facts_references_and_flags_come_back_as_they_were_sent(ledger: Ledger, reader: Connection) -> None:
    animal = Animal(sample_group="control", strain_accession_id="MGI:2159965")
    announced = image("a", animal=animal)
    stored = view("a", animal=animal)
    used = CallReference(activation=4, sha256=sha256("r"), group="JAX, male", controls=31)
    facts = AnimalFacts(sample_group="control", conflicts=("sex",))
    one = call("a", animal=facts, reference=used, set_card=sha256("s"), unfamiliarity=0.25)
    ledger.write(records([announced, stored, one]))
    history = queries.specimen_history(reader, "a")
    assert history is not None
    assert history.images[0].event == announced
    assert history.images[0].event.event_id == announced.event_id
    assert history.views == (stored,)
    assert history.calls[0].call == one


def test_the_outputs_of_the_models_are_kept_as_arrays_next_to_the_call(ledger: Ledger, reader: Connection) -> None:
    one = measured(call("a"))
    two = abstention("b").model_copy(update={"models": one.models})
    ledger.write(records([one, two, call("c")]))
    rows = reader.execute(
        "select call_id, model, version, scores, features, unfamiliar from call_output order by call_id, model"
    ).fetchall()
    expected = [(event.call_id, output.model, 3) for event in (one, two) for output in one.models]
    assert [tuple(row)[:3] for row in rows] == sorted(expected)
    assert {(tuple(row[3]), tuple(row[4]), row[5]) for row in rows} == {(SCORES, FEATURES, 0.5)}
    assert queries.calls_of(reader, "a")[0].call.models[0].scores is None
