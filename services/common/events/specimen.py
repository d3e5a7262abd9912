"""The events between an image and its call.

xray.views: a standardised view is in object storage.
xray.specimens: the set of views of a specimen has a new revision.
xray.tensors: the fused tensor of a revision is in object storage.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

from services.common.events.animal import Animal, AnimalFacts
from services.common.events.base import (
    AnnouncedAt,
    Centre,
    Event,
    ImageDigest,
    JsonObject,
    PreprocessingGeneration,
    PreprocessingVersion,
    ProducedAt,
    Revision,
    Sha256,
    SpecimenId,
    TensorDigest,
    TensorKey,
    Text,
    View,
)

DetectedView = Annotated[View, Field(description="DV (dorsoventral) or LAT (lateral), as detected in the image.")]
ViewKey = Annotated[Text, Field(description="Key of the standardised view (PNG, uint8 [448, 448]) in object storage.")]

MOST_VIEWS: Final = 16
"""Views of one side that a specimen may have. The fuser compares each with each other, so its work is quadratic."""


ABSTAINING_FLAGS: Final = frozenset({"view_uncertain", "orientation_uncertain", "mirrored_suspected"})
"""Flags of a view with which its specimen is not called: what the image shows may not be what the models expect."""
Facts = Annotated[
    AnimalFacts | None,
    Field(description="What the images of the set state about the animal, null if they state nothing."),
]


class SpecimenView(BaseModel):
    """One view of the set."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    view: DetectedView
    image_sha256: ImageDigest
    view_key: ViewKey
    flags: tuple[Text, ...] = Field(
        (), description="Those of the view's flags with which the specimen is not called, as codes."
    )


def most_of_a_side(views: Iterable[SpecimenView]) -> int:
    """Return the number of views of the side that has most."""
    return max(Counter(view.view for view in views).values(), default=0)


SpecimenViews = Annotated[
    tuple[SpecimenView, ...],
    Field(min_length=2, description="The views of this revision, ordered by view, then by the digest of the image."),
]


class ViewReady(Event):
    """A standardised view (PNG, uint8 [448, 448], bone bright) and how it was produced."""

    biological_sample_id: SpecimenId
    centre: Centre
    parameter_stable_id: Text = Field(
        description="IMPReSS parameter that the image was submitted under, for example IMPC_XRY_034_001."
    )
    image_event_id: Sha256 = Field(description="Identity of the announcement: a digest of its content.")
    image_uri: Text = Field(
        description="Location of the image as announced. A query, which may hold credentials, is replaced by a part of "
        "its SHA-256."
    )
    image_sha256: ImageDigest
    view: DetectedView
    view_key: ViewKey
    view_sha256: Sha256 = Field(description="SHA-256 (hex) of the stored PNG.")
    original_key: Text = Field(description="Key of the original bytes in object storage.")
    preprocessing_version: PreprocessingVersion
    preprocessing_generation: PreprocessingGeneration
    scores: dict[str, float] = Field(description="Quality scores by name.")
    flags: tuple[Text, ...] = Field(
        (), description="Warnings about the view, as codes, for example view_contradicts_parameter."
    )
    provenance: JsonObject = Field(description="How the pixels were changed: format, rotation, inversion, crop.")
    animal: Animal | None = Field(None, description="What the announcement states about the animal.")
    announced_at: AnnouncedAt
    produced_at: ProducedAt

    @property
    def key(self) -> str:
        """Every event of one animal is on one partition."""
        return self.biological_sample_id


class TensorReady(Event):
    """A fused multiview tensor (`.npy`, uint8 [side, side, 3]: mean DV, mean LAT, blended edges).

    `tensor_key` is derived from the digests of the images, so it is known before the tensor is computed.
    """

    biological_sample_id: SpecimenId
    centre: Centre
    revision: Revision
    views: SpecimenViews
    tensor_key: TensorKey
    tensor_sha256: TensorDigest
    tensor_side: int = Field(ge=32, description="Side of the tensor in pixels.")
    animal: Facts = None
    preprocessing_version: PreprocessingVersion
    preprocessing_generation: PreprocessingGeneration
    announced_at: AnnouncedAt
    produced_at: ProducedAt

    @property
    def key(self) -> str:
        """Every event of one animal is on one partition."""
        return self.biological_sample_id


class SpecimenReady(Event):
    """The complete set of views of a specimen that has at least one DV and one LAT view.

    `announced_at` is the time when the image that completed this revision was announced.
    """

    biological_sample_id: SpecimenId
    centre: Centre
    revision: Revision
    views: SpecimenViews
    animal: Facts = None
    preprocessing_version: PreprocessingVersion
    preprocessing_generation: PreprocessingGeneration
    announced_at: AnnouncedAt
    produced_at: ProducedAt

    @property
    def key(self) -> str:
        """Every event of one animal is on one partition."""
        return self.biological_sample_id
