"""A posed mouse: all its bones and soft tissue in world coordinates, ready for projection."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from training.simulation.anatomy.girdles import build_pelvis, build_shoulder
from training.simulation.anatomy.limbs import build_forelimb, build_hindlimb
from training.simulation.anatomy.plan import SIDES, BodyPlan
from training.simulation.anatomy.pose import Pose
from training.simulation.anatomy.ribcage import build_ribcage
from training.simulation.anatomy.skull import build_skull
from training.simulation.anatomy.soft_tissue import (
    LIMBS,
    SoftTissue,
    add_contents,
    add_head,
    add_limb,
    add_organs,
    add_trunk,
)
from training.simulation.anatomy.spine import build_column, lay_column
from training.simulation.imaging.triangles import NO_TRIANGLES, Triangles
from training.simulation.landmarks import SIDES as LANDMARK_SIDES
from training.simulation.landmarks import world_landmarks
from training.simulation.solids import Ellipsoids, Frame, Points, Solids, Tubes


@dataclass(frozen=True, slots=True)
class Mouse:
    """One posed mouse: its bones with their part numbers, soft tissue with group numbers, and organs.

    `nose` and `rump` (3,) are the points that give the head's direction. `landmarks` are world points [n, 3] as from
    `training.simulation.landmarks.world_landmarks`. `triangles` are bones as meshes
    (`training.simulation.skeleton`).
    """

    tubes: Tubes
    ellipsoids: Ellipsoids
    parts: dict[str, int]
    soft: Ellipsoids
    soft_group: NDArray[np.int64]
    organs: Ellipsoids
    nose: Points
    rump: Points
    landmarks: Points
    triangles: Triangles = NO_TRIANGLES


def build_mouse(plan: BodyPlan, pose: Pose, texture_seed: int) -> Mouse:
    """Pose the plan: the spine first, then everything attached to it. `texture_seed` places gut and outline details."""
    rng = np.random.default_rng((texture_seed, 7))
    bone, soft = Solids(plan.scale), SoftTissue(Solids(plan.scale), Solids(plan.scale))
    column = lay_column(plan, pose)
    build_column(bone, column)
    named = {vertebra.name: frame.origin for vertebra, frame in zip(column.vertebrae, column.frames, strict=True)}
    named |= build_ribcage(bone, plan, column)
    skull = _skull_frame(column.frames[0], pose)
    named |= build_skull(bone, plan, skull)
    add_trunk(soft, plan, pose, column, rng)
    add_head(soft, plan, pose, skull)
    for number, side in enumerate(SIDES):
        shoulder = build_shoulder(bone, plan, pose, column, side)
        fore = build_forelimb(bone, plan, pose, side, shoulder)
        add_limb(soft, fore, hind=False, group=LIMBS[number])
        hip = build_pelvis(bone, plan, column, side)
        hind = build_hindlimb(bone, plan, pose, side, hip)
        add_limb(soft, hind, hind=True, group=LIMBS[2 + number])
        named |= fore.landmarks("humerus", "radius", side) | hind.landmarks("femur", "tibia", side)
        named[f"pelvis.{LANDMARK_SIDES[side]}"] = hip
    add_organs(soft, plan, column, rng)
    if plan.bowel or plan.young:
        add_contents(bone, soft, plan, column, rng)
    nose = skull.at([22.5 * plan.skull.length, 0.0, 1.0])
    rump = next(f for v, f in zip(reversed(column.vertebrae), reversed(column.frames), strict=True) if v.region == "S")
    return Mouse(
        tubes=_mineralised(bone.all_tubes(), plan),
        ellipsoids=_denser(bone.all_ellipsoids(), plan),
        parts=bone.parts,
        soft=soft.solids.all_ellipsoids(),
        soft_group=soft.groups(),
        organs=soft.organs.all_ellipsoids(),
        nose=nose * plan.scale,
        rump=rump.origin * plan.scale,
        landmarks=world_landmarks(named) * plan.scale,
    )


def _mineralised(tubes: Tubes, plan: BodyPlan) -> Tubes:
    girth = plan.bone_girth
    return replace(
        tubes,
        start_radius=tubes.start_radius * girth,
        end_radius=tubes.end_radius * girth,
        density=tubes.density * plan.mineral,
    )


def _denser(ellipsoids: Ellipsoids, plan: BodyPlan) -> Ellipsoids:
    return replace(ellipsoids, density=ellipsoids.density * plan.mineral)


def _skull_frame(atlas: Frame, pose: Pose) -> Frame:
    """Frame at the occipital condyles, just cranial to the atlas; the skull's pitch is independent of the neck's."""
    heading = np.arctan2(atlas.axes[1, 0], atlas.axes[0, 0])
    level = Frame(atlas.at([0.9, 0.0, 0.4]), np.eye(3))
    return level.turned(yaw=float(np.degrees(heading)), pitch=pose.skull_pitch)
