"""Each of the 53 observations: an abnormal, a normal and a missing value."""

import pytest

from services.common.labels import CALL_LABELS
from tests.training.labels.making import curate, labels_of, record, wild_types
from tests.training.labels.options import ELSEWHERE, ROWS, Row
from training.labels.curation import Exclusion, SpecimenLabels

TIBIAS = wild_types("033", *(f"{17.5 + number / 120:.3f}" for number in range(121)))


def judged(number: str, value: str) -> SpecimenLabels:
    return labels_of([record(number, value), *(TIBIAS if number == "033" else [])])


def named(labels: SpecimenLabels) -> set[str]:
    return {name for name, entry in zip(CALL_LABELS, labels.call, strict=True) if entry}


def test_the_table_of_this_test_is_complete() -> None:
    others = {*range(34, 54), 32}
    assert [int(row[0]) for row in ROWS] == [number for number in range(1, 75) if number not in others]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_abnormal(row: Row) -> None:
    number, abnormal, _, _, level2, level3 = row
    labels = judged(number, abnormal)
    assert labels.level1 == 1
    assert labels.abnormal == (f"IMPC_XRY_{number}_001",)
    elsewhere = level2 in ELSEWHERE
    assert named(labels) == (set() if elsewhere else {level2, level3})
    assert labels.exclusion == (Exclusion.ELSEWHERE if elsewhere else None)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_normal(row: Row) -> None:
    number, _, normal, _, level2, level3 = row
    labels = judged(number, normal)
    assert (labels.level1, labels.call, labels.exclusion) == (0, (0,) * 13, None)
    scored = {name for name, known in zip(CALL_LABELS, labels.scored, strict=True) if known}
    free_ontology = number == "054"
    assert scored == (set() if level2 in ELSEWHERE or free_ontology else {level2, level3})


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_missing(row: Row) -> None:
    labels = judged(row[0], row[3])
    assert (labels.level1, labels.exclusion) == (None, Exclusion.NOTHING_SCORED)
    assert not any(labels.scored)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_a_late_adult_copy_has_the_same_meaning(row: Row) -> None:
    number, abnormal, _, _, level2, level3 = row
    labels = labels_of([record(f"HRWLLA_XRY_{number}_001", abnormal), *(TIBIAS if number == "033" else [])])
    assert labels.abnormal == (f"IMPC_XRY_{number}_001",)
    assert named(labels) == (set() if level2 in ELSEWHERE else {level2, level3})


@pytest.mark.parametrize("code", ["imageOnly", "IMAGEONLY", "image only", "unobservable", "no data", "Not defined"])
@pytest.mark.parametrize("number", ["001", "008", "031", "033", "054", "068"])
def test_missing_codes_are_missing_in_every_kind_of_row(number: str, code: str) -> None:
    assert judged(number, code).exclusion is Exclusion.NOTHING_SCORED


@pytest.mark.parametrize(
    ("number", "value", "abnormal"),
    [
        ("031", "no", True),
        ("031", "YES", False),
        ("029", "syndactylism", True),
        ("029", "Syndactylism", True),
        ("029", "No Syndactylism", False),
        ("068", "yes", True),
        ("068", "no", False),
        ("011", "Not  fused", False),
        ("018", " ABNORMAL ", True),
        ("008", "13.0", False),
        ("008", "12.0", True),
    ],
)
def test_case_and_spelling(number: str, value: str, abnormal: bool) -> None:
    assert judged(number, value).level1 == int(abnormal)


@pytest.mark.parametrize(
    ("number", "value"),
    [
        ("001", "maybe"),
        ("001", "Mild (1)"),
        ("001", "yes"),
        ("019", "abnormal"),
        ("029", "syndactyly"),
        ("008", "many"),
        ("008", "12.5"),
        ("008", "-13"),
        ("008", "1e2"),
        ("008", "nan"),
        ("008", "1" * 400),
        ("033", "0"),
        ("054", "looks fine"),
        ("054", "MP:161"),
        ("001", "PATO:0000646"),
    ],
)
def test_a_value_that_is_not_an_option_is_reported_and_not_guessed(number: str, value: str) -> None:
    found = curate([record(number, value), record("056", "no")])
    (labels,) = found.specimens
    assert (labels.level1, labels.exclusion) == (None, Exclusion.UNREADABLE)
    assert found.tallies.unreadable == {("JAX", f"IMPC_XRY_{number}_001", value): 1}


def test_a_specimen_with_an_abnormal_observation_keeps_its_labels_despite_an_unreadable_value() -> None:
    labels = labels_of([record("001", "maybe"), record("056", "yes")])
    assert (labels.level1, labels.exclusion) == (1, None)
