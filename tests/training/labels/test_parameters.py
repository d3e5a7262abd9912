"""Which parameters count: by full id, never by number alone."""

import pytest

from tests.training.labels.making import curate, labels_of, record
from training.labels.curation import Exclusion
from training.labels.curation.verdict import resolve


@pytest.mark.parametrize(
    "centre", ["BCMLA", "HMGULA", "HRWLLA", "ICSLA", "JAXLA", "KMPCLA", "NINGLA", "RBRCLA", "TCPLA", "UCDLA"]
)
def test_late_adult_copies_are_mapped(centre: str) -> None:
    assert resolve(f"{centre}_XRY_056_001") == ("IMPC_XRY_056_001", "")
    assert resolve(f"{centre}_XRY_035_001") == (None, "not_an_observation")


@pytest.mark.parametrize(
    ("identifier", "reason"),
    [
        ("HAS_XRY_056_001", "legacy_parameter_set"),
        ("HAS_XRY_001_001", "legacy_parameter_set"),
        ("ESLIM_006_001_001", "legacy_parameter_set"),
        ("GMC_925_001_003", "legacy_parameter_set"),
        ("HAROLD_006_001_014", "legacy_parameter_set"),
        ("M-G-P_006_001_019", "legacy_parameter_set"),
        ("CCP_XRY_056_001", "unmapped_parameter_set"),
        ("IMPC_XRY_034_001", "not_an_observation"),
        ("IMPC_XRY_035_001", "not_an_observation"),
        ("IMPC_XRY_032_001", "not_an_observation"),
        ("IMPC_XRY_075_001", "unknown_parameter"),
        ("IMPC_XRY_056_002", "unknown_parameter"),
        ("LA_XRY_056_001", "unmapped_parameter_set"),
        ("IMPC_BWT_008_001", "another_procedure"),
        ("056", "another_procedure"),
        ("", "another_procedure"),
    ],
)
def test_other_parameters_are_none_of_the_53(identifier: str, reason: str) -> None:
    assert resolve(identifier) == (None, reason)


def test_legacy_records_give_no_specimen_and_are_counted() -> None:
    found = curate([record("HAS_XRY_056_001", "Severe (3)"), record("ESLIM_006_001_026", "yes")])
    assert found.specimens == ()
    assert found.tallies.ignored.total() == 2


def test_alive_yes_is_not_abnormal_and_a_specimen_with_nothing_else_is_not_normal() -> None:
    found = curate([record("035", "yes"), record("034", None, missing="no value")])
    (labels,) = found.specimens
    assert (labels.level1, labels.exclusion) == (None, Exclusion.NOTHING_SCORED)
    assert found.tallies.ignored == {
        ("not_an_observation", "IMPC_XRY_034_001"): 1,
        ("not_an_observation", "IMPC_XRY_035_001"): 1,
    }


def test_an_animal_of_another_procedure_is_no_specimen_of_this_set() -> None:
    assert curate([record("IMPC_BWT_008_001", "23.1")]).specimens == ()


def test_a_normal_value_among_missing_ones_makes_a_normal_specimen() -> None:
    labels = labels_of(
        [record("001", "imageOnly"), record("056", "no"), record("057", None, missing="IMPC_PARAMSC_001")]
    )
    assert (labels.level1, labels.exclusion) == (0, None)
