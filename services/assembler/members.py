"""What the objects below a specimen's prefix mean: the set that is called, or the reason why there is no call.

The result is a function of the listed keys alone. The order in which the objects were stored does not matter.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from services.common.events import SpecimenView
from services.common.events.animal import AnimalFacts, combined
from services.common.events.base import View
from services.common.events.call import WithdrawalReason
from services.common.events.specimen import MOST_VIEWS, most_of_a_side
from services.common.keys import StoredAnimal, StoredFlags, StoredView, StoredWithdrawal, parse_specimen_key

MOST_OBJECTS: Final = 1000
"""Objects of a specimen that are listed, which is one page of S3: a larger set is held, whatever is in it."""
_BOTH_SIDES: Final = {"DV", "LAT"}


@dataclass(frozen=True)
class SpecimenSet:
    """The views of one preprocessing version that count, ordered by view, then by digest.

    `revision` is the number of views of the version and their flags, of withdrawals, and of statements about the
    animal. `centre` is the centre of these views, or the first by name of several; if none counts, that of all stored
    views. `animal` is what the announcements of these views state about it. `withheld` is the reason why the set has
    no call, and `explanation` one sentence about it.
    """

    revision: int
    centre: str | None
    views: tuple[SpecimenView, ...]
    animal: AnimalFacts | None = None
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
    flagged = [
        one for one in found if isinstance(one, StoredFlags) and one.preprocessing_version == preprocessing_version
    ]
    stated = [one for one in found if isinstance(one, StoredAnimal)]
    members_of_set = (_member(view, flagged) for view in counted)
    views = tuple(sorted(members_of_set, key=lambda view: (view.view, view.image_sha256, view.view_key)))
    centre = min((view.centre for view in counted or stored), default=None)
    if len(keys) >= MOST_OBJECTS:
        text = f"the specimen has {MOST_OBJECTS} stored views and withdrawals or more"
        return SpecimenSet(MOST_OBJECTS, centre, (), None, "too_many_views", text)
    withheld, text = _conflict(counted, views) or (None, "")
    revision = len(members) + len(withdrawn) + len(flagged) + len(stated)
    result = SpecimenSet(revision, centre, views, _animal(counted, stated), withheld, text)
    # An earlier set may have been called with what is withdrawn now, perhaps in an older preprocessing version.
    if withheld is None and withdrawn and stored and not result.complete:
        text = "what is left lacks a DV or a LAT view"
        return SpecimenSet(revision, centre, views, result.animal, "images_withdrawn", text)
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


def _member(view: StoredView, flagged: Iterable[StoredFlags]) -> SpecimenView:
    flags = {flag for one in flagged if _image(one) == _image(view) for flag in one.flags}
    return SpecimenView(view=view.view, image_sha256=view.image_sha256, view_key=view.key, flags=tuple(sorted(flags)))


def _animal(counted: Sequence[StoredView], stated: Iterable[StoredAnimal]) -> AnimalFacts | None:
    """Return what the announcements of these views state; a withdrawn picture's announcement counts no more."""
    images = {_image(view) for view in counted}
    return combined(one.animal for one in stated if _image(one) in images)


def _image(one: StoredView | StoredFlags | StoredAnimal) -> tuple[str, View, str]:
    return one.centre, one.view, one.image_sha256
