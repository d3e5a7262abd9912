from datetime import timedelta

from services.common.events import Event, SpecimenReady, TensorReady
from services.common.loop.retries import RetryState
from services.common.topics import CALLS, IMAGE_RETRIES, SPECIMENS, TENSORS, VIEWS, Topic
from services.ledger.queries import CallRecord, ImageRecord, SpecimenHistory
from services.operations.trace.records import TraceRecord, Window
from services.operations.trace.timeline import object_keys, timeline, windows
from tests.ledger.examples import NOON, call, image, minutes, sha256, view

DV = image("m", "dv")
DV_VIEW = view("m", "DV", "0", image_event_id=DV.event_id)
CALL = call("m")


def history() -> SpecimenHistory:
    announced = ImageRecord("DV", NOON, 3, 17, DV)
    return SpecimenHistory(None, (announced,), (DV_VIEW,), (CallRecord(1, minutes(3), True, CALL),), ())


def record_of(topic: Topic, event: Event, offset: int = 0) -> TraceRecord:
    return TraceRecord(topic.name, 3, offset, minutes(1), event)


def set_ready() -> SpecimenReady:
    return SpecimenReady.model_validate(CALL.model_dump() | {"produced_at": NOON + timedelta(seconds=70)})


def tensor_ready() -> TensorReady:
    fields = CALL.model_dump() | {"tensor_side": 224, "produced_at": NOON + timedelta(seconds=80)}
    return TensorReady.model_validate(fields)


def test_steps_are_in_order_of_time_with_their_records() -> None:
    seen = [
        record_of(CALLS, CALL, 9),
        record_of(SPECIMENS, set_ready(), 5),
        record_of(TENSORS, tensor_ready(), 6),
        record_of(VIEWS, DV_VIEW, 4),
    ]
    steps = timeline(history(), seen)
    assert [(step.stage, step.record) for step in steps] == [
        ("centre", "xray.images/3/17"),
        ("intake", "xray.views/3/4"),
        ("assembler", "xray.specimens/3/5"),
        ("fuser", "xray.tensors/3/6"),
        ("classifier", "phenotype.calls/3/9"),
        ("sink", None),
    ]
    assert "convnext 3" in steps[4].what
    assert "Spine" in steps[4].what


def test_steps_whose_records_have_expired_come_from_the_ledger() -> None:
    steps = timeline(history(), [])
    assert [(step.stage, step.record) for step in steps] == [
        ("centre", "xray.images/3/17"),
        ("intake", None),
        ("classifier", None),
        ("sink", None),
    ]


def dict_of(found: list[tuple[Topic, list[Window]]]) -> dict[str, list[Window]]:
    return {topic.name: windows_ for topic, windows_ in found}


def test_the_set_of_a_view_without_a_call_is_searched_for() -> None:
    late = view("m", "LAT", "late", produced_at=minutes(30))
    known = history()
    found = dict_of(windows(SpecimenHistory(None, known.images, (DV_VIEW, late), known.calls, ()), minutes(40)))
    starts = [start for start, _ in found[SPECIMENS.name]]
    assert starts == [CALL.announced_at, minutes(30)]
    assert len(found[VIEWS.name]) == 2


def test_retry_topics_are_searched_only_while_an_image_has_no_outcome() -> None:
    known, present = history(), minutes(90)
    assert not {topic.name for topic in IMAGE_RETRIES} & dict_of(windows(known, present)).keys()
    found = dict_of(windows(SpecimenHistory(None, known.images, (), (), ()), present))
    assert [found[topic.name] for topic in IMAGE_RETRIES] == [
        [(minutes(79), present)],
        [(minutes(70), present)],
        [(minutes(20), present)],
    ]


def test_a_parked_image_shows_its_next_attempt() -> None:
    state = RetryState(
        topic="xray.images", partition=3, offset=17, timestamp=NOON, since=NOON, attempts=4, error="answered 503"
    )
    parked = TraceRecord(IMAGE_RETRIES[1].name, 3, 5, minutes(20), DV, state)
    steps = timeline(SpecimenHistory(None, history().images, (), (), ()), [parked])
    assert [(step.stage, step.about, step.record) for step in steps] == [
        ("centre", DV.event_id, "xray.images/3/17"),
        ("intake", DV.event_id, "xray.images.retry.10m/3/5"),
    ]
    assert steps[1].what == "parked, next attempt at 2026-03-01 12:30:00, attempt 5: answered 503"


def test_every_object_has_its_key() -> None:
    assert object_keys(history()) == {
        DV_VIEW.original_key: "original",
        DV_VIEW.view_key: "DV view",
        CALL.tensor_key: "tensor of revision 2",
    }
    assert sha256("0") == DV_VIEW.image_sha256
