"""What the objects below a specimen's prefix mean: the set that is called, or the reason why there is no call.

The result is a function of the listed keys alone. The order in which the objects were stored does not matter.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from services.common.events import SpecimenView
from services.common.events.call import WithdrawalReason
from services.common.events.specimen import MOST_VIEWS, most_of_a_side
from services.common.keys import StoredView, StoredWithdrawal, parse_specimen_key

MOST_OBJECTS: Final = 1000
"""Objects of a specimen that are listed, which is one page of S3: a larger set is held, whatever is in it."""
_BOTH_SIDES: Final = {"DV", "LAT"}


@dataclass(frozen=True)
class SpecimenSet:
    """The views of one preprocessing version that count, ordered by view, then by digest.

    `revision` is the number of views of the version and of withdrawals. `centre` is the centre of these views, or the
    first by name of several; if none counts, that of all stored views. `withheld` is the reason why the set has no
    call, and `explanation` one sentence about it.
    """

    revision: int
    centre: str | None
    views: tuple[SpecimenView, ...]
    withheld: WithdrawalReason | None = None
    explanation: str = ""

    @property
    def complete(self) -> bool:
        """Whether both sides have a view."""
        return {view.view for view in self.views} == _BOTH_SIDES


def read_set(keys: Sequence[str], preprocessing_version: str) -> SpecimenSet:
    """Return the set below a specimen's prefix; `keys` are at most the first `MOST_OBJECTS` of them."""
    found = [parse_specimen_key(key) for key in keys]
    stored = [one for one in found if isinstance(one, StoredView)]
    withdrawn = {one for one in found if isinstance(one, StoredWithdrawal)}
    members = [view for view in stored if view.preprocessing_version == preprocessing_version]
    counted = [view for view in members if StoredWithdrawal(view.centre, view.view, view.image_sha256) not in withdrawn]
    views = tuple(sorted(map(_member, counted), key=lambda view: (view.view, view.image_sha256, view.view_key)))
    centre = min((view.centre for view in counted or stored), default=None)
    if len(keys) >= MOST_OBJECTS:
        text = f"the specimen has {MOST_OBJECTS} stored views and withdrawals or more"
        return SpecimenSet(MOST_OBJECTS, centre, (), "too_many_views", text)
    withheld, text = _conflict(counted, views) or (None, "")
    result = SpecimenSet(len(members) + len(withdrawn), centre, views, withheld, text)
    # An earlier set may have been called with what is withdrawn now, perhaps in an older preprocessing version.
    if withheld is None and withdrawn and stored and not result.complete:
        return SpecimenSet(result.revision, centre, views, "images_withdrawn", "what is left lacks a DV or a LAT view")
    return result


def _conflict(counted: Sequence[StoredView], views: Iterable[SpecimenView]) -> tuple[WithdrawalReason, str] | None:
    most = most_of_a_side(views)
    if most > MOST_VIEWS:
        return "too_many_views", f"{most} views of one side; a specimen has at most {MOST_VIEWS}"
    centres = sorted({view.centre for view in counted})
    if len(centres) > 1:
        return "centres_conflict", f"pictures of {' and '.join(centres)} have this id; withdraw those of all but one"
    sides = {view: {one.image_sha256 for one in counted if one.view == view} for view in _BOTH_SIDES}
    both = sorted(sides["DV"] & sides["LAT"])
    if both:
        return "view_conflict", f"picture {both[0]} stands as DV and as LAT; withdraw it as one of them"
    return None


def _member(view: StoredView) -> SpecimenView:
    return SpecimenView(view=view.view, image_sha256=view.image_sha256, view_key=view.key)
