"""The skeleton's counts, sides and proportions."""

import numpy as np
import pytest

from training.simulation.anatomy.mouse import Mouse, build_mouse
from training.simulation.anatomy.plan import FORMULA, normal_plan
from training.simulation.anatomy.pose import DV, LAT, draw_pose


def mouse(seed: int, view: str) -> Mouse:
    rng = np.random.default_rng(seed)
    return build_mouse(normal_plan(rng, "male"), draw_pose(view, rng), seed)


def test_a_normal_mouse_has_the_usual_formula() -> None:
    plan = normal_plan(np.random.default_rng(0), "female")
    assert {region: len(plan.region(region)) for region in FORMULA} == {"C": 7, "T": 13, "L": 6, "S": 4, "Ca": 28}
    assert sorted(rib.name for rib in plan.ribs) == sorted(f"rib {side}{n}" for side in "LR" for n in range(1, 14))
    assert [len(paw.digits) for paw in plan.paws.values()] == [5, 5, 5, 5]


@pytest.mark.parametrize("view", [DV, LAT])
def test_every_bone_is_drawn(view: str) -> None:
    parts = mouse(1, view).parts
    for region, count in FORMULA.items():
        assert {f"{region}{n}" for n in range(1, count + 1)} <= set(parts)
    for name in ("scapula", "clavicle", "humerus", "radius", "ulna", "femur", "tibia", "fibula", "pelvis", "forepaw"):
        assert {f"{name} L", f"{name} R"} <= set(parts)
    assert {"cranium", "snout", "mandible", "teeth", "zygomatic arch", "sternum"} <= set(parts)


def centre_of(animal: Mouse, part: str) -> np.ndarray:
    chosen = animal.tubes.part == animal.parts[part]
    middle: np.ndarray = 0.5 * (animal.tubes.start[chosen] + animal.tubes.end[chosen])
    return np.asarray(middle.mean(axis=0))


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("view", [DV, LAT])
def test_left_is_left_and_the_spine_runs_from_head_to_tail(seed: int, view: str) -> None:
    animal = mouse(seed, view)
    for name in ("scapula", "pelvis", "rib L6/rib R6"):
        left, right = name.split("/") if "/" in name else (f"{name} L", f"{name} R")
        assert centre_of(animal, left)[1] > centre_of(animal, right)[1]
    order = [centre_of(animal, name)[0] for name in ("snout", "cranium", "C4", "T7", "L3", "S2")]
    assert order == sorted(order, reverse=True)
    assert centre_of(animal, "sternum")[2] < centre_of(animal, "T5")[2]


@pytest.mark.parametrize("seed", range(8))
def test_the_tail_of_a_dv_ends_on_the_left(seed: int) -> None:
    animal = mouse(seed, DV)
    assert centre_of(animal, "Ca28")[1] > centre_of(animal, "Ca3")[1]


@pytest.mark.parametrize("seed", range(6))
def test_body_and_tail_are_as_long_as_a_mouse(seed: int) -> None:
    animal = mouse(seed, LAT)
    body = np.linalg.norm(animal.nose - animal.rump)
    assert 70.0 < body < 105.0
    tail = sum(
        float(np.linalg.norm(centre_of(animal, f"Ca{n}") - centre_of(animal, f"Ca{n + 1}"))) for n in range(1, 28)
    )
    assert 60.0 < tail < 105.0


def test_the_skeleton_has_hundreds_of_finite_solids() -> None:
    animal = mouse(3, DV)
    assert len(animal.tubes.start) + len(animal.ellipsoids.centre) > 300
    for values in (animal.tubes.start, animal.tubes.end, animal.ellipsoids.shape, animal.soft.shape):
        assert np.isfinite(values).all()
    assert (animal.tubes.start_radius > 0).all()
