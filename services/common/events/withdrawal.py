"""xray.withdrawn: a picture is taken out of its specimen."""

from functools import cached_property
from typing import Annotated, Final

from pydantic import Field

from services.common.events.base import Centre, Event, ImageDigest, Moment, Person, SpecimenId, Text, View, digest

_LONGEST_REASON: Final = 2000


class ImageWithdrawal(Event):
    """A picture no longer counts as a view of its specimen, whether it arrived already or arrives later.

    A withdrawal is final: the same file of the same centre never counts again as that view of that specimen. It affects
    only pictures that the named centre announced.
    """

    biological_sample_id: SpecimenId
    centre: Centre
    image_sha256: ImageDigest
    view: View | None = Field(
        None,
        description="The side that the picture no longer counts as, null for both. An image that was announced as DV "
        "by mistake and again as LAT is withdrawn as DV.",
    )
    reason: Annotated[Text, Field(min_length=1, max_length=_LONGEST_REASON)] = Field(
        description="Why the picture is withdrawn, for people."
    )
    who: Person = Field(description="Who withdrew it.")
    withdrawn_at: Moment = Field(description="When it was withdrawn.")

    @property
    def key(self) -> str:
        """Every event of one animal is on one partition."""
        return self.biological_sample_id

    @cached_property
    def withdrawal_id(self) -> str:
        """Derived from the content, so that a withdrawal sent twice has the same identity."""
        at = self.withdrawn_at.timestamp()
        return digest(
            "withdrawal",
            self.biological_sample_id,
            self.centre,
            self.image_sha256,
            self.view,
            self.who,
            self.reason,
            at,
        )
