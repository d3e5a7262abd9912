"""Records of one specimen that disagree are reported, not silently merged."""

from tests.training.labels.making import curate, record
from training.labels.curation import Exclusion, LabelSet, SpecimenLabels
from training.labels.curation.specimen import Disagreement


def only(found: LabelSet) -> SpecimenLabels:
    (labels,) = found.specimens
    return labels


def kinds(found: LabelSet) -> list[Disagreement]:
    return [conflict.kind for conflict in found.conflicts]


def test_normal_and_abnormal_exclude_the_specimen() -> None:
    found = curate([record("056", "yes"), record("056", "no"), record("056", "no"), record("018", "abnormal")])
    assert only(found).exclusion is Exclusion.CONFLICT
    assert (only(found).level1, any(only(found).call)) == (None, False)
    (conflict,) = found.conflicts
    assert (conflict.kind, conflict.parameter, conflict.sent) == (
        Disagreement.VERDICTS,
        "IMPC_XRY_056_001",
        ("no", "yes"),
    )


def test_different_counts_with_the_same_verdict_keep_the_label_and_are_reported() -> None:
    found = curate([record("008", "12"), record("008", "14")])
    assert (only(found).level1, only(found).exclusion) == (1, None)
    assert kinds(found) == [Disagreement.VALUES]


def test_the_same_value_twice_is_no_disagreement() -> None:
    found = curate([record("008", "13"), record("008", "13.0"), record("056", "no"), record("056", "No")])
    assert (only(found).level1, found.conflicts) == (0, ())


def test_a_missing_value_contradicts_nothing() -> None:
    found = curate([record("056", "yes"), record("056", "imageOnly"), record("056", None, missing="IMPC_PARAMSC_001")])
    assert (only(found).level1, found.conflicts) == (1, ())


def test_an_unreadable_value_next_to_a_normal_one_is_not_normal() -> None:
    assert only(curate([record("056", "no"), record("056", "slightly")])).exclusion is Exclusion.UNREADABLE


def test_a_finding_of_late_adult_age_is_added_and_reported() -> None:
    found = curate([record("057", "no"), record("JAXLA_XRY_057_001", "yes")])
    assert (only(found).level1, only(found).exclusion) == (1, None)
    assert kinds(found) == [Disagreement.LIFE_STAGES]


def test_an_id_used_by_two_centres_is_not_used_for_training() -> None:
    found = curate([record("056", "no"), record("057", "yes", centre="ICS")])
    assert (only(found).exclusion, only(found).centre) == (Exclusion.IDENTITY, None)
    assert found.conflicts[0].sent == ("centre: ICS, JAX",)


def test_one_id_as_wild_type_and_as_mutant_is_an_identity_conflict() -> None:
    found = curate([record("056", "no"), record("057", "no", group="control")])
    assert only(found).exclusion is Exclusion.IDENTITY


def test_a_source_without_a_value_contradicts_nothing() -> None:
    found = curate([record("056", "no"), record("057", "no", centre=None, strain=None, group=None)])
    assert (only(found).level1, only(found).centre) == (0, "JAX")


def test_several_terms_of_free_ontology_are_a_union() -> None:
    found = curate([record("054", "MP:0000161"), record("054", "MP:0000154")])
    assert (only(found).level1, found.conflicts) == (1, ())
    assert only(found).call == (1, 1, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0)
