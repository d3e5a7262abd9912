"""Levels 1 to 3 of whole specimens, and the classes of free ontology."""

import pytest

from services.common.labels import CALL_LABELS
from tests.training.labels.making import labels_of, record
from training.labels.curation import Exclusion, SpecimenLabels


def named(labels: SpecimenLabels) -> set[str]:
    return {name for name, entry in zip(CALL_LABELS, labels.call, strict=True) if entry}


def known(labels: SpecimenLabels) -> set[str]:
    return {name for name, entry in zip(CALL_LABELS, labels.scored, strict=True) if entry}


def test_the_call_is_the_union_and_limbs_add_nothing() -> None:
    labels = labels_of(
        [record("024", "abnormal"), record("056", "yes"), record("011", "fused"), record("027", "normal")]
    )
    assert named(labels) == {"Spine", "Shape", "Ribcage", "Fusion"}
    assert labels.abnormal == ("IMPC_XRY_011_001", "IMPC_XRY_024_001", "IMPC_XRY_056_001")


@pytest.mark.parametrize("numbers", [("024",), ("001",), ("024", "001", "030")])
def test_abnormal_only_in_limbs_or_skull_is_left_out_and_not_called_normal(numbers: tuple[str, ...]) -> None:
    values = {"024": "abnormal", "001": "abnormal", "030": "yes"}
    labels = labels_of([*(record(number, values[number]) for number in numbers), record("056", "no")])
    assert (labels.level1, labels.call, labels.exclusion) == (1, (0,) * 13, Exclusion.ELSEWHERE)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("MP:0000160", {"Spine", "Shape"}),
        ("MP:0000154 rib fusion", {"Ribcage", "Fusion"}),
        ("rib fusion (MP:0000154), scoliosis [MP:0000161]", {"Ribcage", "Fusion", "Spine", "Shape"}),
        ("MP:0003345", {"Ribcage", "Ribs"}),
        ("MP:0002932", {"Whole-body", "Joints"}),
        ("MP:0004599", {"Spine"}),
        ("MP:0000559", set()),
        ("MP:0001262", set()),
    ],
)
def test_free_ontology_takes_its_class_from_the_term(text: str, expected: set[str]) -> None:
    labels = labels_of([record("054", text)])
    assert labels.level1 == 1
    assert named(labels) == expected
    assert labels.exclusion == (None if expected else Exclusion.ELSEWHERE)


def test_an_abnormal_arch_counts_for_the_spine_although_its_region_is_unknown() -> None:
    labels = labels_of([record("054", "MP:0004599")])
    assert known(labels) == {"Spine"}


def test_regions_that_a_term_may_mean_are_not_normal_though_some_vertebrae_are() -> None:
    vertebrae = [record("070", "normal"), record("071", "normal"), record("019", "no"), record("010", "normal")]
    assert known(labels_of(vertebrae)) == {"Spine", "Cervical", "Thoracic", "Fusion", "Ribcage", "Ribs"}
    labels = labels_of([*vertebrae, record("054", "MP:0004599"), record("067", "abnormal")])
    assert named(labels) == {"Spine", "Caudal"}
    assert known(labels) == {"Spine", "Caudal", "Fusion", "Ribcage", "Ribs"}


def test_a_term_that_no_observation_has_may_mean_any_label_and_one_of_limbs_none() -> None:
    scored = [record("056", "yes"), record("010", "normal")]
    assert known(labels_of([*scored, record("054", "MP:0004622")])) == {"Spine", "Shape"}
    assert known(labels_of([*scored, record("054", "MP:0000559")])) == {"Spine", "Shape", "Ribcage", "Ribs"}


def test_labels_behind_a_value_that_cannot_be_read_are_not_normal() -> None:
    labels = labels_of([record("056", "yes"), record("010", "normal"), record("011", "slightly fused")])
    assert (labels.level1, named(labels)) == (1, {"Spine", "Shape"})
    assert known(labels) == {"Spine", "Shape", "Ribs"}


def test_free_ontology_that_cannot_be_read_may_have_named_any_label() -> None:
    scored = [record("056", "yes"), record("010", "normal")]
    for also in ([], [record("054", "MP:0000160")]):
        assert known(labels_of([*scored, *also, record("054", "odd ribs")])) == {"Spine", "Shape"}


def test_no_phenotypic_analysis_is_missing() -> None:
    assert labels_of([record("054", "MP:0003012")]).exclusion is Exclusion.NOTHING_SCORED
