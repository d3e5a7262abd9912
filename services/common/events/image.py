"""xray.images: a centre announces that an image is at a URI."""

import re
from functools import cached_property
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field

from services.common.errors import Rejected
from services.common.events.animal import Animal
from services.common.events.base import Centre, Event, Moment, Sha256, SpecimenId, Text, View, digest
from services.common.sources.uri import MOST_CHARACTERS, ImageUri, parse_image_uri, shown

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


def _locatable(uri: str) -> str:
    parse_image_uri(uri)
    return uri


class ImageEvent(Event):
    """One image of one specimen, as announced by a phenotyping centre.

    Required are `biological_sample_id`, `centre`, `parameter_stable_id` and `image_uri`.
    """

    biological_sample_id: SpecimenId
    centre: Centre
    parameter_stable_id: Annotated[Text, Field(min_length=1, max_length=64)] = Field(
        description="IMPReSS parameter that the image was submitted under, for example IMPC_XRY_034_001."
    )
    image_uri: Annotated[
        Text,
        Field(min_length=1, max_length=MOST_CHARACTERS, pattern=r"^(s3|https)://[^/]+/.+"),
        AfterValidator(_locatable),
    ] = Field(description="Location of the image: s3://bucket/key, or https:// on an allow-listed host.")
    sha256: Sha256 | None = Field(None, description="SHA-256 (hex) of the bytes of the file. It is checked when given.")
    increment: Annotated[Text, Field(max_length=64)] | None = Field(
        None, description="The centre's number of the image within its series."
    )
    acquired_at: Moment | None = Field(None, description="When the image was taken.")
    animal: Animal | None = Field(None, description="What the centre states about the animal.")
    metadata: dict[Text, Text] = Field(
        default_factory=dict,
        max_length=64,
        description="Anything else that the centre wants to keep with the image, at most 64 entries.",
    )
    produced_at: Moment | None = Field(None, description="When this event was created.")

    @property
    def key(self) -> str:
        """Every event of one animal is on one partition."""
        return self.biological_sample_id

    @cached_property
    def location(self) -> ImageUri:
        """The parsed `image_uri`, from which the image is fetched."""
        return parse_image_uri(self.image_uri)

    @property
    def shown_uri(self) -> str:
        """The `image_uri` without its query, which may hold credentials: for logs, the ledger and other topics."""
        return shown(self.image_uri)

    @cached_property
    def event_id(self) -> str:
        """Derived from the announcement, so that a repeated announcement has the same identity.

        Uses `shown_uri`, so that an event that is read back from the ledger has the same identity too.
        """
        stated = [self.animal.facts()] if self.animal is not None and self.animal.facts() else []
        return digest(
            "image",
            self.biological_sample_id,
            self.centre,
            self.parameter_stable_id,
            self.shown_uri,
            self.sha256,
            *stated,
        )


def id_by_centre(centre: str, local: str) -> str:
    """Return the id of a specimen whose id is the centre's own: `CENTRE:LOCAL`. Such an id is returned unchanged."""
    return local if local.startswith(f"{centre}:") else f"{centre}:{local}"


def image_kind(parameter_stable_id: str) -> ImageKind:
    """Return the view that an IMPReSS image parameter declares. `other` stands for skull, forepaw and hind leg.

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
    """Return the view of an image kind, or None for a kind that the models do not use."""
    return None if kind == "other" else kind
