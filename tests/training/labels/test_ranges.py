"""Reference ranges of counts, by centre and strain."""

import pytest

from tests.training.labels.making import curate, labels_of, record, wild_types
from training.labels.curation.ranges import Range, estimate
from training.labels.curation.specimen import RangeKey


def test_a_strain_in_which_14_ribs_are_usual_has_them_as_normal() -> None:
    usual = wild_types("008", *["13"] * 100, *["14"] * 40)
    assert labels_of([*usual, record("008", "14")]).level1 == 0
    assert labels_of([*usual, record("008", "12")]).level1 == 1


def test_another_centre_and_another_strain_keep_the_anatomical_range() -> None:
    usual = wild_types("008", *["13"] * 100, *["14"] * 40)
    assert labels_of([*usual, record("008", "14", centre="ICS")]).level1 == 1
    assert labels_of([*usual, record("008", "14", strain="BALB/c")]).level1 == 1
    assert labels_of([*usual, record("008", "14", strain=None)]).level1 == 1


def test_the_parameters_of_a_centre_have_ranges_of_their_own() -> None:
    usual = wild_types("008", *["13"] * 100, *["14"] * 40)
    assert labels_of([*usual, record("009", "14")]).level1 == 1


@pytest.mark.parametrize("group", ["experimental", None])
def test_mutants_do_not_contribute_to_a_range(group: str | None) -> None:
    mutants = [record("008", "14", str(number), group=group) for number in range(200)]
    assert curate(mutants).ranges == {}


def test_too_few_wild_types_fall_back_to_anatomy_and_are_reported() -> None:
    found = curate([*wild_types("008", *["14"] * 119), record("008", "14")])
    key = RangeKey("JAX", "C57BL/6NJ", "IMPC_XRY_008_001")
    assert (found.ranges, found.too_few) == ({}, {key: 119})
    assert {one.level1 for one in found.specimens} == {1}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([13] * 120, Range(13, 13, 120)),
        ([13] * 119, None),
        ([13] * 117 + [0, 26, 130], None),
        ([13] * 120 + [0, 26, 130], Range(13, 13, 120)),
        ([13] * 120 + [0] * 30, Range(13, 13, 120)),
        ([13] * 118 + [12] * 2, Range(13, 13, 120)),
        ([13] * 117 + [12] * 3, Range(12, 13, 120)),
        ([13] * 118 + [14] * 2, Range(13, 13, 120)),
        ([13] * 117 + [14] * 3, Range(13, 14, 120)),
        ([5] * 60 + [6] * 90, Range(5, 6, 150)),
        ([27] * 40 + [28] * 60 + [29] * 40, Range(27, 29, 140)),
        ([26] * 200, Range(26, 26, 200)),
        ([], None),
    ],
)
def test_estimate(values: list[float], expected: Range | None) -> None:
    assert estimate(values) == expected


def test_up_to_a_quarter_of_gross_errors_does_not_move_the_range() -> None:
    clean = [27.0] * 50 + [28.0] * 100 + [29.0] * 50
    assert estimate(clean + [0.0] * 40) == Range(27, 29, 200)


def test_the_same_wild_type_twice_counts_once() -> None:
    found = curate(wild_types("008", *["13"] * 100) * 2)
    assert list(found.too_few.values()) == [100]


@pytest.mark.parametrize(("late", "counted"), [("13", 100), ("13.0", 100), ("14", 0)])
def test_a_wild_type_scored_at_two_ages_counts_once_or_contradicts_itself(late: str, counted: int) -> None:
    found = curate([*wild_types("008", *["13"] * 100), *wild_types("JAXLA_XRY_008_001", *[late] * 100)])
    assert found.ranges == {}
    assert sum(found.too_few.values()) == counted


def test_wild_types_that_disagree_with_themselves_make_no_range() -> None:
    inconsistent = [
        record("008", value, str(number), group="control") for number in range(130) for value in ("13", "12")
    ]
    found = curate(inconsistent)
    assert (found.ranges, found.too_few) == ({}, {})


@pytest.mark.parametrize(
    ("number", "normal", "abnormal"),
    [
        ("008", [13], [12, 14]),
        ("009", [13], [12, 14]),
        ("013", [7], [6, 8]),
        ("014", [13], [12, 14]),
        ("015", [5, 6], [4, 7]),
        ("016", [4], [3, 5]),
        ("017", [26, 28, 31], [25, 32]),
        ("028", [20], [18, 19, 21, 0]),
    ],
)
def test_anatomical_ranges(number: str, normal: list[int], abnormal: list[int]) -> None:
    assert {labels_of([record(number, str(count))]).level1 for count in normal} == {0}
    assert {labels_of([record(number, str(count))]).level1 for count in abnormal} == {1}


def test_a_length_without_wild_types_is_not_judged() -> None:
    found = curate([record("033", "11.0")])
    assert found.specimens[0].level1 is None
    assert found.tallies.missing == {"no reference range": 1}
