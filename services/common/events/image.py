"""xray.images: a centre says "this image is at this URI"."""

from __future__ import annotations

import re
from functools import cached_property
from typing import Annotated, Final, Literal

from pydantic import Field

from services.common.errors import Rejected
from services.common.events.base import Centre, Event, Moment, Sha256, SpecimenId, Text, View, digest

ImageKind = Literal["DV", "LAT", "other"]

_KINDS: Final[dict[str, ImageKind]] = {
    "034": "DV",
    "048": "LAT",
    "049": "other",
    "050": "other",
    "051": "other",
    "052": "other",
}
# The procedure is part of the match: legacy sets reuse the numbers (HAS_XRY_034 is a lateral image).
_PARAMETER: Final = re.compile(r"(?:IMPC|CCP|[A-Z]+LA)_XRY_(\d{3})_\d{3}")


class ImageEvent(Event):
    """One image of one specimen, as announced by a phenotyping centre.

    Required: `biological_sample_id`, `centre`, `parameter_stable_id` (IMPReSS, e.g. IMPC_XRY_034_001) and `image_uri`
    (`s3://bucket/key` or an allow-listed `https://`). `sha256` is the digest of the file's bytes and is checked.
    """

    biological_sample_id: SpecimenId
    centre: Centre
    parameter_stable_id: Annotated[Text, Field(min_length=1, max_length=64)]
    image_uri: Annotated[Text, Field(min_length=1, max_length=2048, pattern=r"^(s3|https)://[^/]+/.+")]
    sha256: Sha256 | None = None
    increment: Annotated[Text, Field(max_length=64)] | None = None
    acquired_at: Moment | None = None
    metadata: dict[Text, Text] = Field(default_factory=dict, max_length=64)
    produced_at: Moment | None = None

    @property
    def key(self) -> str:
        """Every event of one animal lands on one partition."""
        return self.biological_sample_id

    @cached_property
    def event_id(self) -> str:
        """Derived from what was announced, so that announcing twice is one announcement."""
        return digest(
            "image", self.biological_sample_id, self.centre, self.parameter_stable_id, self.image_uri, self.sha256
        )


def image_kind(parameter_stable_id: str) -> ImageKind:
    """Return the view that an IMPReSS image parameter declares; `other` is skull, forepaw or hind leg.

    Raises Rejected(`parameter_unknown`) for anything but the six image parameters of IMPC_XRY and its late-adult
    and centre copies.
    """
    match = _PARAMETER.fullmatch(parameter_stable_id)
    kind = _KINDS.get(match.group(1)) if match else None
    if kind is None:
        raise Rejected(
            "parameter_unknown",
            f"{parameter_stable_id} is not an X-ray image parameter (IMPC_XRY_034, 048, 049, 050, 051 or 052)",
        )
    return kind


def declared_view(kind: ImageKind) -> View | None:
    """Narrow an image kind to the two views the models use."""
    return None if kind == "other" else kind
