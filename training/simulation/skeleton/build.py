"""Poses the bones of a skeleton by a plan and a posture, with soft tissue around them."""

from __future__ import annotations

from typing import Final

import numpy as np

from training.simulation.anatomy.girdles import SIGN
from training.simulation.anatomy.mouse import Mouse
from training.simulation.anatomy.plan import SACRAL, SIDES, BodyPlan
from training.simulation.anatomy.pose import Pose
from training.simulation.anatomy.soft_tissue import LIMBS, SoftTissue
from training.simulation.anatomy.spine import Column, lay_column
from training.simulation.landmarks import SIDES as LANDMARK_SIDES
from training.simulation.landmarks import rib_name, world_landmarks
from training.simulation.skeleton.bones import Skeleton
from training.simulation.skeleton.envelope import add_head, add_limb, add_organs, add_trunk
from training.simulation.skeleton.limbs import pose_forelimb, pose_hindlimb, pose_scapula
from training.simulation.skeleton.measures import USUAL_BONES
from training.simulation.skeleton.ribs import rib_axis, shaped_rib
from training.simulation.skeleton.shell import BoneSet
from training.simulation.skeleton.skull import pose_skull
from training.simulation.skeleton.vertebrae import pose_vertebrae
from training.simulation.solids import Points, Solids

_STERNAL: Final = 7
_PLATE: Final = np.linspace(0.12, 0.75, 6)
"""Shares of a rib's course over which a plate of bone joins fused ribs."""


def build_skeleton_mouse(skeleton: Skeleton, plan: BodyPlan, pose: Pose, sex: str, texture_seed: int) -> Mouse:
    """Pose the plan; `texture_seed` places gut and details of the outline. The bones are `Mouse.triangles`."""
    rng = np.random.default_rng((texture_seed, 7))
    solids, soft = Solids(plan.scale), SoftTissue(Solids(plan.scale), Solids(plan.scale))
    bones = BoneSet(solids.parts)
    column = lay_column(plan, pose)
    named = {vertebra.name: frame.origin for vertebra, frame in zip(column.vertebrae, column.frames, strict=True)}
    pose_vertebrae(bones, solids, skeleton, column)
    named |= _pose_ribs(bones, solids, skeleton, plan, column)
    skull, ends = pose_skull(bones, solids, skeleton, plan, pose, column)
    named |= ends
    add_trunk(soft, plan, pose, column, sex, rng)
    add_head(soft, plan, pose, skull, rng)
    for number, side in enumerate(SIDES):
        shoulder = pose_scapula(bones, skeleton, plan, pose, column.at_level(0), side)
        fore = pose_forelimb(bones, solids, skeleton, plan, pose, side, shoulder)
        hip = _pose_pelvis(bones, skeleton, plan, column, side)
        hind = pose_hindlimb(bones, solids, skeleton, plan, pose, side, hip)
        add_limb(soft, fore, hind=False, group=LIMBS[number], fat=plan.fat)
        add_limb(soft, hind, hind=True, group=LIMBS[2 + number], fat=plan.fat)
        named |= fore.landmarks("humerus", "radius", side) | hind.landmarks("femur", "tibia", side)
        named[f"pelvis.{LANDMARK_SIDES[side]}"] = hip
    add_organs(soft, plan, column, rng)
    return Mouse(
        tubes=solids.all_tubes(),
        ellipsoids=solids.all_ellipsoids(),
        triangles=bones.triangles(plan.scale),
        parts=solids.parts,
        soft=soft.solids.all_ellipsoids(),
        soft_group=soft.groups(),
        organs=soft.organs.all_ellipsoids(),
        nose=named["skull.nose"] * plan.scale,
        rump=column.of(SACRAL)[-1][1].origin * plan.scale,
        landmarks=world_landmarks(named) * plan.scale,
    )


def _pose_ribs(bones: BoneSet, solids: Solids, skeleton: Skeleton, plan: BodyPlan, column: Column) -> dict[str, Points]:
    """Add ribs, cartilage and a simple sternum, which skeletons may lack; returns the landmarks of the ribs."""
    named: dict[str, Points] = {}
    ends: list[Points] = []
    for rib in plan.ribs:
        rest = skeleton.ribs[min(rib.level, max(skeleton.ribs))]
        frame = column.at_level(rib.level)
        for part in (rest.bone, rest.cartilage):
            if part is not None:
                shell = part if rib.side == "L" else part.mirrored_faces()
                bones.add(
                    rib.name, shell, lambda v, rest=rest, rib=rib, frame=frame: frame.at(shaped_rib(rest, rib, plan, v))
                )
        named[rib_name(rib.side, rib.level)] = frame.at(rib_axis(rest, rib, plan, np.array([0.5])))[0]
        if rib.level < _STERNAL and rest.cartilage is not None:
            far = float(rest.share(rest.cartilage.outer.vertices).max())
            ends.append(frame.at(rib_axis(rest, rib, plan, np.array([far])))[0])
        other = plan.rib(rib.side, rib.fused_to) if rib.fused_to is not None else None
        if other is not None:
            here, there = (
                column.at_level(one.level).at(rib_axis(skeleton.ribs[min(one.level, 13)], one, plan, _PLATE))
                for one in (rib, other)
            )
            solids.tubes(rib.name, here, there, 0.42, 0.8)
            solids.chain(rib.name, 0.5 * (here + there), 0.45, 0.8)
    if len(ends) > 3:
        _add_sternum(solids, np.array(ends))
    return named


def _add_sternum(solids: Solids, ends: Points) -> None:
    """Sternebrae along the line through the ventral ends (n, 3) of the first ribs."""
    middle = ends.mean(axis=0)
    axis = np.linalg.svd(ends - middle)[2][0]
    reach = (ends - middle) @ axis
    line = middle + np.outer(np.linspace(reach.min() - 1.0, reach.max() + 1.0, 8), axis)
    gap = 0.12 * (line[1:] - line[:-1])
    solids.tubes("sternum", line[:-1] + gap, line[1:] - gap, 0.5, 0.55)


def _pose_pelvis(bones: BoneSet, skeleton: Skeleton, plan: BodyPlan, column: Column, side: str) -> Points:
    """Add one hip bone; returns the hip joint (3,)."""
    bone, sign = plan.bones[f"ilium {side}"], SIGN[side]
    sacral = column.of(SACRAL)
    frame = (sacral[0][1] if sacral else column.frames[-1]).turned(pitch=bone.shift)
    long = bone.length / USUAL_BONES["ilium"][0]

    def placed(vertices: Points) -> Points:
        flare = 1.0 + bone.bow * np.clip(vertices[:, 0] / 7.0, 0.0, 1.0)
        return frame.at(vertices * np.column_stack((np.full(len(flare), long), sign * flare, np.ones(len(flare)))))

    shell = skeleton.pelvis if side == "L" else skeleton.pelvis.mirrored_faces()
    bones.add(f"pelvis {side}", shell, placed)
    return frame.at(skeleton.hip * np.array([long, sign, 1.0]))
