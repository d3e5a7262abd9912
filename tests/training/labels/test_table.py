"""The 53 rows and the call vector they give."""

import pytest

from services.common.errors import Rejected
from services.common.labels import CALL_LABELS, LEVEL2, LEVEL3
from services.common.observations import abnormal_elsewhere, by_parameter, call_vector, level1, table


def labels_of(*numbers: str) -> set[str]:
    vector = call_vector([f"IMPC_XRY_{number}_001" for number in numbers])
    return {label for label, entry in zip(CALL_LABELS, vector, strict=True) if entry}


def test_there_are_53_different_observations() -> None:
    assert len(table()) == 53
    assert len(by_parameter()) == 53


def test_every_class_is_a_known_one() -> None:
    for row in table():
        if row.level2 is not None and row.in_call:
            assert row.level3 in LEVEL3, row
    assert {row.level2 for row in table()} == {*LEVEL2, "Limbs", "Skull", None}


def test_every_one_of_the_thirteen_labels_can_be_reached() -> None:
    reached = {label for row in table() for label in labels_of(row.parameter_stable_id[9:12])}
    assert reached == set(CALL_LABELS)


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ((), set()),
        (("056",), {"Spine", "Shape"}),
        (("019", "071"), {"Spine", "Fusion", "Thoracic"}),
        (("011",), {"Ribcage", "Fusion"}),
        (("012",), {"Whole-body", "Other"}),
        (("027", "017"), {"Whole-body", "Joints", "Spine", "Caudal"}),
        (("024", "001"), set()),
    ],
)
def test_call_is_the_union_of_its_observations(numbers: tuple[str, ...], expected: set[str]) -> None:
    assert labels_of(*numbers) == expected


def test_limbs_and_skull_alone_are_abnormal_elsewhere() -> None:
    femur, scoliosis = "IMPC_XRY_024_001", "IMPC_XRY_056_001"
    assert level1([femur]) == 1
    assert abnormal_elsewhere([femur])
    assert not abnormal_elsewhere([femur, scoliosis])
    assert not abnormal_elsewhere([])
    assert level1([]) == 0


def test_inverted_and_missing_options_are_in_the_table() -> None:
    integrity = by_parameter()["IMPC_XRY_031_001"]
    assert (integrity.normal, integrity.abnormal) == ("yes", "no")
    assert integrity.missing == ("imageOnly", "unobservable")


@pytest.mark.parametrize("identifier", ["IMPC_XRY_034_001", "HAS_XRY_001_001", ""])
def test_other_parameters_are_refused(identifier: str) -> None:
    with pytest.raises(Rejected) as refusal:
        call_vector([identifier])
    assert refusal.value.reason == "not_an_observation"
