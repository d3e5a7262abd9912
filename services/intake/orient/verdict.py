"""From the network's probabilities to a view, a pose and the flags that a reader should see."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from services.common.errors import Rejected
from services.intake.animal.scout import Vector
from services.intake.animal.trunk import Trunk
from services.intake.crop import Pose, head_left, head_up
from services.intake.limits import Limits
from services.intake.orient.model import Orientation

View = Literal["DV", "LAT"]


@dataclass(frozen=True)
class Verdict:
    """The view, how the picture is turned for it, where the head is (unit vector x, y), and what is doubtful."""

    view: View
    pose: Pose
    heading: Vector
    flipped: bool
    flags: tuple[str, ...]


def decide(
    orientation: Orientation, trunk: Trunk, declared: View | None, *, reaches_edge: bool, limits: Limits
) -> Verdict:
    """Choose view and pose; a DV is turned only, a LAT that faces the other way is flipped.

    A close-up shows part of an animal: where the animal does not reach the picture's edge it is DV or LAT.
    Raises Rejected `not_whole_body` for a believed close-up and `view_unknown` when neither the picture nor the
    parameter says which view it is.
    """
    shares = orientation.view if reaches_edge else _whole_body_only(orientation.view)
    view, flags = _view(shares, declared, limits)
    heading = trunk.axis if orientation.head_up >= 0.5 else -trunk.axis
    sure = limits.least_orientation_probability
    if max(orientation.head_up, 1 - orientation.head_up) < sure:
        flags.append("orientation_uncertain")
    if view == "DV":
        if orientation.mirrored >= sure:
            flags.append("mirrored_suspected")
        return Verdict(view, head_up(heading), heading, flipped=False, flags=tuple(flags))
    if max(orientation.mirrored, 1 - orientation.mirrored) < sure and "orientation_uncertain" not in flags:
        flags.append("orientation_uncertain")
    flipped = orientation.mirrored >= 0.5
    return Verdict(view, head_left(heading, mirrored=flipped), heading, flipped=flipped, flags=tuple(flags))


def body_angle(heading: Vector) -> float:
    """Degrees between the head's direction in the file and straight up, 0 to 180."""
    return abs(float(np.degrees(np.arctan2(heading[0], -heading[1]))))


def _whole_body_only(shares: dict[str, float]) -> dict[str, float]:
    whole = shares["DV"] + shares["LAT"]
    return {"DV": shares["DV"] / whole, "LAT": shares["LAT"] / whole, "other": 0.0}


def _view(probabilities: dict[str, float], declared: View | None, limits: Limits) -> tuple[View, list[str]]:
    shares = {name: round(share, 4) for name, share in probabilities.items()}
    seen = max(probabilities, key=lambda name: probabilities[name])
    if probabilities[seen] < limits.least_view_probability:
        if declared is None:
            raise Rejected("view_unknown", "no view is declared and the picture does not tell", probabilities=shares)
        return declared, ["view_uncertain"]
    if seen == "other":
        raise Rejected("not_whole_body", "a close-up, not a whole body", probabilities=shares)
    view: View = "DV" if seen == "DV" else "LAT"
    return view, [] if declared in (None, view) else ["view_contradicts_parameter"]
