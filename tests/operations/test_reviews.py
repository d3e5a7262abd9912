from datetime import UTC, datetime, timedelta

import pytest

from services.common.errors import Rejected
from services.common.events import Review, Verdict
from services.common.events.base import now
from services.operations.reviews import compose, labels_in

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def _compose(verdict_labels: dict[Verdict, str], at: datetime = NOON, *, who: str = "anna", note: str = "") -> Review:
    return compose("183808", verdict_labels, who=who, note=note, reviewed_at=at, call_id=None)


def test_labels_are_read_in_any_case_and_with_any_separator() -> None:
    assert labels_in("spine, FUSION;Whole-body  ribs") == ["Spine", "Fusion", "Whole-body", "Ribs"]
    assert labels_in("") == []


def test_verdicts_of_any_subset_of_labels() -> None:
    review = _compose({"abnormal": "Spine,Fusion", "normal": "Ribs", "unknown": "Joints"})
    assert review.verdicts == {"Spine": "abnormal", "Fusion": "abnormal", "Ribs": "normal", "Joints": "unknown"}


@pytest.mark.parametrize(
    ("verdict_labels", "reason", "message"),
    [
        ({"abnormal": "Spien"}, "label_unknown", "'Spien' is not a label; labels are Abnormal, Ribcage"),
        ({"abnormal": "Spine", "normal": "Spine"}, "label_twice", "Spine is given as abnormal and as normal"),
        ({"abnormal": ""}, "no_verdict", "give the labels"),
        ({"abnormal": "Shape", "normal": "Spine"}, "field_invalid", "Shape cannot be abnormal while Spine is normal"),
        (
            {"abnormal": "Fusion", "normal": "Spine Ribcage"},
            "field_invalid",
            "Fusion cannot be abnormal while Spine and Ribcage are normal",
        ),
        ({"abnormal": "Spine", "normal": "Abnormal"}, "field_invalid", "Spine cannot be abnormal while Abnormal is"),
    ],
)
def test_impossible_reviews_are_refused_with_the_reason(
    verdict_labels: dict[Verdict, str], reason: str, message: str
) -> None:
    with pytest.raises(Rejected, match=message) as refused:
        _compose(verdict_labels)
    assert refused.value.reason == reason


def test_one_possible_parent_is_enough() -> None:
    assert _compose({"abnormal": "Fusion", "normal": "Spine"}).labels("abnormal") == ("Fusion",)


def test_a_review_from_the_future_could_not_be_corrected() -> None:
    with pytest.raises(Rejected, match="is in the future"):
        _compose({"abnormal": "Spine"}, now() + timedelta(hours=1))


def test_a_review_has_one_identity_however_its_verdicts_are_ordered() -> None:
    one, other = (_compose({"abnormal": text}) for text in ("Spine Fusion", "Fusion Spine"))
    assert one.review_id == other.review_id
    changed = [
        _compose({"abnormal": "Spine Fusion"}, who="ben"),
        _compose({"abnormal": "Spine Fusion"}, note="sure"),
        _compose({"abnormal": "Spine"}),
        _compose({"abnormal": "Spine Fusion"}, NOON + timedelta(seconds=1)),
    ]
    assert len({one.review_id, *(review.review_id for review in changed)}) == 5


@pytest.mark.parametrize(("who", "note"), [("", ""), (" ", ""), ("anna\n", ""), ("anna", "a\0b"), ("anna", "x" * 2001)])
def test_a_blank_curator_and_control_characters_are_refused(who: str, note: str) -> None:
    with pytest.raises(Rejected, match="not a valid Review"):
        _compose({"abnormal": "Spine"}, who=who, note=note)
