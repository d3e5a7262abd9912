"""Poses the bones of a skeleton by a plan and a posture, with soft tissue around them."""

from __future__ import annotations

import numpy as np

from training.simulation.anatomy.mouse import Mouse
from training.simulation.anatomy.plan import SACRAL, SIDES, BodyPlan
from training.simulation.anatomy.pose import Pose
from training.simulation.anatomy.soft_tissue import LIMBS
from training.simulation.landmarks import world_landmarks
from training.simulation.skeleton.assembly import Assembly
from training.simulation.skeleton.bones import Skeleton
from training.simulation.skeleton.envelope import add_head, add_limb, add_organs, add_trunk
from training.simulation.skeleton.limbs import pose_forelimb, pose_hindlimb
from training.simulation.skeleton.ribcage import pose_ribcage
from training.simulation.skeleton.skull import pose_skull
from training.simulation.skeleton.vertebrae import pose_vertebrae


def build_skeleton_mouse(skeleton: Skeleton, plan: BodyPlan, pose: Pose, sex: str, texture_seed: int) -> Mouse:
    """Pose the plan; `texture_seed` places gut and details of the outline. The bones are `Mouse.triangles`."""
    rng = np.random.default_rng((texture_seed, 7))
    mouse = Assembly.of(skeleton, plan, pose)
    pose_vertebrae(mouse)
    pose_ribcage(mouse)
    skull = pose_skull(mouse)
    add_trunk(mouse, sex, rng)
    add_head(mouse, skull, rng)
    for number, side in enumerate(SIDES):
        add_limb(mouse.soft, pose_forelimb(mouse, side), hind=False, group=LIMBS[number], fat=plan.fat)
        add_limb(mouse.soft, pose_hindlimb(mouse, side), hind=True, group=LIMBS[2 + number], fat=plan.fat)
    add_organs(mouse, rng)
    return Mouse(
        tubes=mouse.solids.all_tubes(),
        ellipsoids=mouse.solids.all_ellipsoids(),
        triangles=mouse.bones.triangles(plan.scale),
        parts=mouse.solids.parts,
        soft=mouse.soft.solids.all_ellipsoids(),
        soft_group=mouse.soft.groups(),
        organs=mouse.soft.organs.all_ellipsoids(),
        nose=mouse.named["skull.nose"] * plan.scale,
        rump=mouse.column.of(SACRAL)[-1][1].origin * plan.scale,
        landmarks=world_landmarks(mouse.named) * plan.scale,
    )
