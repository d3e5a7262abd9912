"""Levels 1 to 3 of whole specimens, and the classes of free ontology."""

from __future__ import annotations

import pytest

from services.common.labels import CALL_LABELS
from tests.labels.making import labels_of, record
from training.labels.curation import Exclusion, SpecimenLabels


def named(labels: SpecimenLabels) -> set[str]:
    return {name for name, entry in zip(CALL_LABELS, labels.call, strict=True) if entry}


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


def test_an_abnormal_arch_is_of_the_spine_though_the_region_is_not_known() -> None:
    labels = labels_of([record("054", "MP:0004599")])
    assert labels.scored == tuple(name == "Spine" for name in CALL_LABELS)


def test_no_phenotypic_analysis_is_missing() -> None:
    assert labels_of([record("054", "MP:0003012")]).exclusion is Exclusion.NOTHING_SCORED
