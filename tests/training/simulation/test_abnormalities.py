"""Each abnormality alters the picture at its own site, and the truth according to the table."""

from copy import deepcopy

import numpy as np
import pytest

from services.common.labels import CALL_LABELS
from services.common.observations import by_parameter
from training.labels.curation.ranges import ANATOMICAL
from training.simulation.abnormalities.catalogue import CATALOGUE, GROUP, apply
from training.simulation.anatomy.mouse import build_mouse
from training.simulation.anatomy.plan import normal_plan
from training.simulation.anatomy.pose import DV, LAT, draw_pose
from training.simulation.centres import UNSEEN_CENTRES
from training.simulation.imaging.projection import Thickness, extent, picture_axes, thicknesses
from training.simulation.imaging.rays import Grid
from training.simulation.observations import SHOWN
from training.simulation.specimen import PUBLIC, Prevalence, SimulatedSpecimen, make_specimen, normal_counts

SEED = 4
LEAST_MOVED = 0.4
"""Cubic millimetres of bone within the picture's plane, in every view that the table of observations names."""
COUNTED = ("vertebra_count",)  # an extra or missing vertebra has no degree


def projected(specimen: SimulatedSpecimen, view: str) -> Thickness:
    """Bone thickness in a fixed pose and position, so that only the abnormality can differ."""
    rng = np.random.default_rng(0)
    pose = draw_pose(view, rng)
    usual = build_mouse(make_specimen(SEED, abnormal=False).plan(), pose, SEED)
    axes = picture_axes(usual, view == LAT, 0.0, False, 0.0)
    corner = extent(usual, axes)[0] - 15.0
    grid = Grid(axes, axes[:, :2] @ corner, 0.25, 880, 720)
    return thicknesses(build_mouse(specimen.plan(), pose, SEED), grid, specimen.altered_parts)


@pytest.fixture(scope="module")
def normal() -> dict[str, Thickness]:
    return {view: projected(make_specimen(SEED, abnormal=False), view) for view in (DV, LAT)}


@pytest.mark.parametrize("kind", CATALOGUE)
def test_an_abnormality_moves_bone_near_the_altered_parts(kind: str, normal: dict[str, Thickness]) -> None:
    specimen = make_specimen(SEED, kinds={kind: 0.8})
    moved = {}
    for view in (DV, LAT):
        altered = projected(specimen, view)
        assert altered.boxes, "no altered bone is in the picture"
        change = np.abs(altered.bone - normal[view].bone)
        near = np.zeros(change.shape, dtype=bool)
        for box in altered.boxes.values():
            near[max(box.top - 8, 0) : box.bottom + 8, max(box.left - 8, 0) : box.right + 8] = True
        moved[view] = float(change[near].sum()) * 0.25**2
        if near.mean() < 0.2:
            assert change[near].mean() > change[~near].mean()
    shown = {view for identifier in specimen.abnormal_parameter_ids for view in SHOWN[identifier].views}
    assert all(moved[view] > LEAST_MOVED for view in shown)
    if len(shown) == 1:
        assert moved[shown.pop()] > 0.5 * sum(moved.values()), "the other view shows it better"


@pytest.mark.parametrize("kind", [kind for kind in CATALOGUE if kind not in COUNTED])
def test_a_more_severe_abnormality_moves_more_bone(kind: str, normal: dict[str, Thickness]) -> None:
    mild, severe = (
        max(
            float(np.abs(projected(make_specimen(SEED, kinds={kind: severity}), view).bone - normal[view].bone).sum())
            for view in (DV, LAT)
        )
        for severity in (0.2, 1.0)
    )
    assert severe > mild > 0.0


@pytest.mark.parametrize("kind", CATALOGUE)
@pytest.mark.parametrize("seed", range(5))
def test_findings_are_observations_of_the_table(kind: str, seed: int) -> None:
    finding = make_specimen(seed, kinds={kind: 0.7}).findings[0]
    assert finding.kind == kind
    assert finding.parameter_ids
    assert set(finding.parameter_ids) <= set(by_parameter())


def test_every_one_of_the_thirteen_labels_occurs() -> None:
    reached = np.zeros(len(CALL_LABELS), dtype=int)
    for kind in CATALOGUE:
        for seed in range(12):
            reached += np.array(make_specimen(seed, kinds={kind: 0.7}).call)
    assert dict(zip(CALL_LABELS, reached > 0, strict=True)) == dict.fromkeys(CALL_LABELS, True)


@pytest.mark.parametrize(
    ("kind", "labels"),
    [
        ("scoliosis", {"Spine", "Shape"}),
        ("short_tail", {"Spine", "Caudal"}),
        ("rib_fusion", {"Ribcage", "Fusion"}),
        ("joints", {"Whole-body", "Joints"}),
        ("pelvis", {"Whole-body", "Other"}),
        ("transitional_vertebra", {"Spine", "Morphology"}),
        ("femur", set()),
    ],
)
def test_the_call_of_known_kinds(kind: str, labels: set[str]) -> None:
    specimen = make_specimen(9, kinds={kind: 0.6})
    assert {label for label, entry in zip(CALL_LABELS, specimen.call, strict=True) if entry} == labels
    assert specimen.level1 == 1
    assert specimen.abnormal_elsewhere == (not labels)


def test_prevalence_is_kept() -> None:
    rare = Prevalence(abnormal=0.1, findings=(1.0,))
    assert 0.4 < np.mean([make_specimen(seed).level1 for seed in range(400)]) < 0.6
    assert 0.05 < np.mean([make_specimen(seed, prevalence=rare).level1 for seed in range(400)]) < 0.16
    assert all(1 <= len(make_specimen(seed, abnormal=True).findings) <= 3 for seed in range(50))


def test_the_public_record_s_prevalence_is_kept() -> None:
    assert 0.015 < np.mean([make_specimen(seed, prevalence=PUBLIC).level1 for seed in range(1000)]) < 0.05
    abnormal = (make_specimen(seed, abnormal=True, prevalence=PUBLIC) for seed in range(1000))
    calls = np.array([specimen.call for specimen in abnormal if not specimen.abnormal_elsewhere])
    shares = dict(zip(CALL_LABELS, calls.mean(axis=0), strict=True))
    assert shares["Spine"] == pytest.approx(0.931, abs=0.03)
    assert shares["Whole-body"] == pytest.approx(0.411, abs=0.04)
    assert shares["Ribcage"] == pytest.approx(0.299, abs=0.04)


def test_the_group_of_a_kind_is_the_level_2_class_that_it_sets() -> None:
    for kind in CATALOGUE:
        classes = {
            by_parameter()[i].level2
            for seed in range(12)
            for i in make_specimen(seed, kinds={kind: 0.7}).abnormal_parameter_ids
        }
        assert GROUP[kind] in classes
        assert classes <= ({"Spine", "Ribcage"} if kind == "vertebra_count" else {GROUP[kind]})


@pytest.mark.parametrize("kind", [kind for kind in CATALOGUE if kind.endswith(("digit", "digits", "dactyly"))])
def test_abnormal_digits_can_come_together(kind: str) -> None:
    for seed in range(6):
        specimen = make_specimen(seed, kinds={kind: 1.0, "missing_digit": 1.0, "joined_digits": 1.0})
        build_mouse(specimen.plan(), draw_pose(DV, np.random.default_rng(seed)), seed)


def test_unseen_centres_are_drawn_only_when_asked_for() -> None:
    assert UNSEEN_CENTRES
    assert not {make_specimen(seed).centre for seed in range(200)} & set(UNSEEN_CENTRES)
    assert {make_specimen(seed, centres=UNSEEN_CENTRES).centre for seed in range(60)} == set(UNSEEN_CENTRES)


def test_count_observations_are_those_that_a_scorer_would_find_out_of_range() -> None:
    counted = dict.fromkeys(("vertebra_count", "short_tail", "rib_number", "extra_digit", "missing_digit"), 0.7)
    cancelled = 0
    for seed in range(60):
        specimen = make_specimen(seed, kinds=counted)
        out_of_range = set(ANATOMICAL) - normal_counts(specimen.plan())
        assert set(specimen.abnormal_parameter_ids) == out_of_range
        cancelled += any(not finding.parameter_ids for finding in specimen.findings)
    assert cancelled


def test_counts_in_the_plan_match_the_findings() -> None:
    for seed in range(30):
        plan = make_specimen(seed, kinds={"vertebra_count": 0.5}).plan()
        usual = normal_plan(np.random.default_rng(0), "male")
        assert len(plan.vertebrae) - len(usual.vertebrae) in {-2, -1, 1}
        short = make_specimen(seed, kinds={"short_tail": 1.0}).plan()
        assert len(short.region("Ca")) <= 6


def test_the_shortest_tail_has_a_vertebra_whatever_its_mouse_had() -> None:
    mouse = normal_plan(np.random.default_rng(1), "female")
    for lost in range(4):
        plan = deepcopy(mouse)
        plan.vertebrae = plan.vertebrae[: len(plan.vertebrae) - lost]
        apply(plan, "short_tail", 1.0, seed=1)
        assert plan.region("Ca")
