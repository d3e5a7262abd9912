"""How the animal lies and whether it moved: judged once the view is known, and without effect on its pixels."""

from services.intake.animal.find import ScoutAnalysis
from services.intake.animal.spine import spine_offset
from services.intake.animal.tail import tail_side
from services.intake.animal.trunk import Trunk
from services.intake.motion import motion_model, trunk_picture
from services.intake.orient import OrientedView
from services.intake.raster import Raster
from services.intake.settings import Limits

NOT_FOUND = -1.0
"""`spine_offset` where no spine is found, or where the trunk has too few pixels."""


def posture_scores(
    raster: Raster, found: ScoutAnalysis, trunk: Trunk, oriented: OrientedView, *, oblique: float, limits: Limits
) -> dict[str, float]:
    """Return the scores of posture and movement (docs/intake.md); `oblique` is the view network's probability.

    The network alone takes some builds of mice that it never saw for oblique ones, so that the spine must agree: in the
    middle of the trunk it shows a DV, near the outline a LAT. Movement is judged where the spine agrees with the view:
    other pictures are unlike those that the motion network saw.
    """
    picture = trunk_picture(raster, found, trunk)
    offset = None if picture is None else spine_offset(picture)
    scores = {"motion": 0.0, "spine_offset": NOT_FOUND, "oblique": 0.0, "tail_side": 0.0}
    if oriented.view == "DV":
        scores["tail_side"] = tail_side(found.animal.mask, trunk, oriented.heading)
    if picture is None or offset is None:
        return scores
    scores["spine_offset"] = offset
    if _fits(oriented, offset, limits):
        scores["motion"] = motion_model().motion(picture)
    else:
        scores["oblique"] = oblique
    return scores


def _fits(oriented: OrientedView, offset: float, limits: Limits) -> bool:
    if oriented.view == "DV":
        return offset <= limits.most_spine_offset_dv
    return offset >= limits.least_spine_offset_lat
