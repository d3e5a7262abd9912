"""A posed mouse: all its bones and soft tissue in the world, ready to be projected."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training.phantom.anatomy.girdles import build_pelvis, build_shoulder
from training.phantom.anatomy.limbs import build_forelimb, build_hindlimb
from training.phantom.anatomy.plan import SIDES, Plan
from training.phantom.anatomy.pose import Pose
from training.phantom.anatomy.ribcage import build_ribcage
from training.phantom.anatomy.skull import build_skull
from training.phantom.anatomy.soft_tissue import SoftTissue, build_head, build_limb, build_organs, build_trunk
from training.phantom.anatomy.spine import build_column, lay_column
from training.phantom.solids import Frame, Points, Solids


@dataclass(frozen=True, slots=True)
class Mouse:
    """One posed mouse. `nose` and `rump` (3,) are the points that give the head's direction."""

    bone: Solids
    soft: SoftTissue
    nose: Points
    rump: Points


def build_mouse(plan: Plan, pose: Pose, texture_seed: int) -> Mouse:
    """Pose the plan: spine first, then everything that hangs from it. `texture_seed` places gut and outline details."""
    rng = np.random.default_rng((texture_seed, 7))
    bone, soft = Solids(plan.scale), SoftTissue(Solids(plan.scale), organs=Solids(plan.scale))
    column = lay_column(plan, pose)
    build_column(bone, column)
    build_ribcage(bone, plan, column)
    skull = _skull_frame(column.frames[0], pose)
    build_skull(bone, plan, skull)
    build_trunk(soft, plan, pose, column, rng)
    build_head(soft, plan, pose, skull)
    for number, side in enumerate(SIDES):
        shoulder = build_shoulder(bone, plan, pose, column, side)
        build_limb(soft, plan, build_forelimb(bone, plan, pose, side, shoulder), hind=False, group=5 + number)
        hip = build_pelvis(bone, plan, column, side)
        build_limb(soft, plan, build_hindlimb(bone, plan, pose, side, hip), hind=True, group=7 + number)
    build_organs(soft, plan, column, rng)
    nose = skull.at([22.5 * plan.skull.length, 0.0, 1.0])
    rump = next(f for v, f in zip(reversed(column.vertebrae), reversed(column.frames), strict=True) if v.region == "S")
    return Mouse(bone, soft, nose * plan.scale, rump.origin * plan.scale)


def _skull_frame(atlas: Frame, pose: Pose) -> Frame:
    """The occipital condyles lie just cranial to the atlas; the skull keeps its own pitch, whatever the neck's."""
    heading = np.arctan2(atlas.axes[1, 0], atlas.axes[0, 0])
    level = Frame(atlas.at([0.9, 0.0, 0.4]), np.eye(3))
    return level.turned(yaw=float(np.degrees(heading)), pitch=pose.skull_pitch)
