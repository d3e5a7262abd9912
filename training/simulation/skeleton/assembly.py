"""One skeleton mouse while it is put together: what to build, and where its parts are collected."""

from __future__ import annotations

from dataclasses import dataclass, field

from training.simulation.anatomy.plan import BodyPlan
from training.simulation.anatomy.pose import Pose
from training.simulation.anatomy.soft_tissue import SoftTissue
from training.simulation.anatomy.spine import Column, lay_column
from training.simulation.skeleton.bones import Skeleton
from training.simulation.skeleton.shell import BoneSet
from training.simulation.solids import Points, Solids


@dataclass(frozen=True, slots=True)
class Assembly:
    """The skeleton, the plan, the posture and its column; bones as meshes and as solids, soft tissue and landmarks.

    `named` are the landmarks' world points (3,) before the plan's scale.
    """

    skeleton: Skeleton
    plan: BodyPlan
    pose: Pose
    column: Column
    bones: BoneSet
    solids: Solids
    soft: SoftTissue
    named: dict[str, Points] = field(default_factory=dict)

    @classmethod
    def of(cls, skeleton: Skeleton, plan: BodyPlan, pose: Pose) -> Assembly:
        """Lay the column and begin with nothing collected."""
        solids = Solids(plan.scale)
        soft = SoftTissue(Solids(plan.scale), Solids(plan.scale))
        return cls(skeleton, plan, pose, lay_column(plan, pose), BoneSet(solids.parts), solids, soft)
