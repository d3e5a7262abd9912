import itertools

from hypothesis import given
from hypothesis import strategies as st

from services.common.labels import LABEL_ORDER, contradiction
from services.ledger.queries import ReviewRecord
from tests.common.strategies import coherent_verdicts
from tests.training.datasets.collect.making import NORMAL, SPINE, reviewed
from training.datasets.collect.merge import IMPLIED, Labelled, merge, of_labels, of_reviews

Truth = tuple[int | None, ...]
NOTHING: Truth = (None,) * 14


def _merged(curated: Truth, *records: ReviewRecord) -> Labelled:
    statements = of_labels(curated, "label set", "c" * 64, 0)
    return merge("1", [*statements, *of_reviews(records, 1).get("1", [])])


def _value(merged: Labelled, label: str) -> int | None:
    return merged.labels[LABEL_ORDER.index(label)]


def _source(merged: Labelled, label: str) -> str | None:
    return merged.sources[LABEL_ORDER.index(label)]


def test_a_label_set_alone_counts_and_its_unknown_labels_stay_missing() -> None:
    curated = (1, None, 1, *NORMAL[3:9], None, *NORMAL[10:])
    merged = _merged(curated)
    assert merged.labels == curated
    assert set(merged.sources) == {"label set", None}
    assert (merged.conflicts, merged.reviews) == ((), ())


def test_the_newest_verdict_wins_in_any_order_of_arrival() -> None:
    reviews_given = [
        reviewed("1", "anna", 1, Spine="abnormal"),
        reviewed("1", "ben", 3, Spine="normal"),
        reviewed("1", "anna", 2, Ribcage="abnormal", Ribs="abnormal"),
    ]
    found = {_merged(NORMAL, *order) for order in itertools.permutations(reviews_given)}
    assert len(found) == 1
    (merged,) = found
    assert (_value(merged, "Spine"), _value(merged, "Ribcage"), _value(merged, "Ribs")) == (0, 1, 1)
    assert merged.reviews == tuple(sorted({reviews_given[1].review_id, reviews_given[2].review_id}))


def test_curators_who_disagree_are_listed_and_one_who_changed_his_mind_is_not() -> None:
    merged = _merged(
        NOTHING,
        reviewed("1", "anna", 1, Spine="abnormal", Ribs="normal"),
        reviewed("1", "ben", 2, Spine="normal"),
        reviewed("1", "anna", 3, Ribs="abnormal"),
    )
    (conflict,) = merged.conflicts
    assert (conflict.label, conflict.kind) == ("Spine", "curators disagree")
    assert conflict.kept == "normal (review by ben, 2026-03-01 14:00)"
    assert conflict.overruled == "abnormal (review by anna, 2026-03-01 13:00)"


def test_a_finding_makes_a_normal_animal_abnormal() -> None:
    merged = _merged(NORMAL, reviewed("1", "anna", 1, Shape="abnormal"))
    assert [_value(merged, label) for label in ("Abnormal", "Spine", "Shape", "Ribs")] == [1, 1, 1, 0]
    assert [_source(merged, label) for label in ("Abnormal", "Spine", "Shape")] == [IMPLIED, IMPLIED, "review"]
    assert {conflict.kind for conflict in merged.conflicts} == {"review against set", "hierarchy"}


def test_no_parent_is_guessed_if_two_are_possible() -> None:
    merged = _merged(NORMAL, reviewed("1", "anna", 1, Fusion="abnormal"))
    assert [_value(merged, label) for label in ("Abnormal", "Fusion", "Spine", "Ribcage")] == [1, 1, None, None]
    sure = _merged(NORMAL, reviewed("1", "anna", 1, Fusion="abnormal", Ribcage="normal"))
    assert [_value(sure, label) for label in ("Spine", "Ribcage")] == [1, 0]


def test_a_part_that_becomes_normal_loses_its_findings() -> None:
    merged = _merged(SPINE, reviewed("1", "anna", 1, Spine="normal", Ribs="abnormal"))
    found = [_value(merged, label) for label in ("Abnormal", "Spine", "Shape", "Ribs", "Ribcage")]
    assert found == [1, 0, None, 1, 1]


def test_an_animal_that_becomes_normal_has_no_findings() -> None:
    merged = _merged(SPINE, reviewed("1", "anna", 1, Abnormal="normal"))
    assert [_value(merged, label) for label in ("Abnormal", "Spine", "Shape", "Ribs")] == [0, None, None, 0]


def test_an_animal_whose_findings_were_all_overruled_is_unknown() -> None:
    merged = _merged(SPINE, reviewed("1", "anna", 1, Spine="normal"))
    assert _value(merged, "Abnormal") is None
    said_so = _merged(SPINE, reviewed("1", "anna", 1, Spine="normal", Abnormal="abnormal"))
    assert _value(said_so, "Abnormal") == 1


def test_a_withdrawn_label_is_missing_and_nothing_else_changes() -> None:
    merged = _merged(SPINE, reviewed("1", "anna", 1, Ribs="unknown"))
    assert _value(merged, "Ribs") is None
    assert _source(merged, "Ribs") is None
    assert [_value(merged, label) for label in ("Abnormal", "Spine", "Joints")] == [1, 1, 0]
    assert [conflict.kind for conflict in merged.conflicts] == ["review against set"]


def test_abnormal_elsewhere_needs_all_thirteen_known() -> None:
    assert _merged((1, *NORMAL[1:])).abnormal_elsewhere
    assert not _merged((1, *NORMAL[1:13], None)).abnormal_elsewhere
    assert not _merged(SPINE).abnormal_elsewhere


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 5), coherent_verdicts), max_size=6))
def test_merged_labels_are_always_consistent(reviews_given: list[tuple[str, int, dict[str, str]]]) -> None:
    records = [
        reviewed("1", who, hour, **{label.replace("-", "_"): verdict for label, verdict in verdicts.items()})
        for who, hour, verdicts in reviews_given
    ]
    merged = _merged(SPINE, *records)
    values = dict(zip(LABEL_ORDER, merged.labels, strict=True))
    abnormal, normal = (
        [label for label, value in values.items() if value == value_of_interest] for value_of_interest in (1, 0)
    )
    assert contradiction(abnormal, normal) is None
    assert merged == _merged(SPINE, *reversed(records))
    for value, source in zip(merged.labels, merged.sources, strict=True):
        assert (value is None) == (source is None)
