from pathlib import Path

import pytest

from services.demo.cohort import DemoPicture, DemoSubmission
from services.demo.outcome import DemoOutcome, DemoSpecimen
from services.ledger.queries import CallRecord, ImageRecord, RejectionSummary, SpecimenHistory
from tests.ledger.examples import NOON, call, image, sha256, view

DV, LAT, SKULL = "IMPC_XRY_034_001", "IMPC_XRY_048_001", "IMPC_XRY_051_001"


def picture(name: str, expected: str, parameter: str = DV) -> DemoPicture:
    return DemoPicture(
        file=Path(name),
        sha256=sha256(name),
        parameter_stable_id=parameter,
        increment="1",
        expected=expected,
        late=False,
    )


def announced(name: str, parameter: str = DV, kind: str = "DV") -> ImageRecord:
    return ImageRecord(kind, NOON, 0, 0, image("m", name, parameter, sha256=sha256(name)))


def refusal(of: ImageRecord, reason: str) -> RejectionSummary:
    return RejectionSummary(
        "r", "intake", reason, "w", "m", "JAX", of.event.event_id, "xray.images", 0, 0, 9, NOON, NOON
    )


@pytest.fixture
def specimen() -> DemoSpecimen:
    pictures = (
        picture("good", "accepted"),
        picture("good", "duplicate"),
        picture("turned", "wrong_view", LAT),
        picture("blurred", "accepted"),
        picture("skull", "skipped", SKULL),
        picture("cut", "cut"),
        picture("lost", "accepted"),
    )
    blurred, cut = announced("blurred"), announced("cut")
    images = (announced("good"), announced("turned", LAT, "LAT"), blurred, announced("skull", SKULL, "other"), cut)
    views = (view("m", "DV", "good"), view("m", "DV", "turned"))
    refused = (refusal(blurred, "blank"), refusal(cut, "cut_off"))
    history = SpecimenHistory(None, images, views, (), refused)
    submission = DemoSubmission(
        biological_sample_id="1",
        centre="JAX",
        truth=(0,) * 14,
        abnormal_elsewhere=False,
        call_expected=True,
        pictures=pictures,
    )
    return DemoSpecimen("m", submission, history)


def test_every_file_has_its_fate_and_one_sent_twice_counts_once(specimen: DemoSpecimen) -> None:
    outcome = DemoOutcome((specimen,), {})
    assert outcome.fates == {
        ("accepted", "accepted"): 1,
        ("accepted", "blank"): 1,
        ("accepted", "unknown"): 1,
        ("wrong_view", "accepted"): 1,
        ("skipped", "skipped"): 1,
        ("cut", "cut_off"): 1,
    }
    assert outcome.good_files_rejected == 2


def test_an_expected_call_is_missing_until_it_exists(specimen: DemoSpecimen) -> None:
    assert DemoOutcome((specimen,), {}).missing == ["m"]
    assert specimen.history is not None
    record = CallRecord(1, NOON, True, call("m"))
    with_call = DemoSpecimen("m", specimen.submission, SpecimenHistory(None, (), (), (record,), ()))
    outcome = DemoOutcome((with_call,), {})
    assert outcome.missing == []
    assert [one.call.call_id for one in outcome.called] == [record.call.call_id]
    assert outcome.stages() == {"image announced -> view": [], "last image -> call": [120], "call -> row": [-120]}
