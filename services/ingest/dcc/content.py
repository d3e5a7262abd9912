"""The plan for one submission: its specimens, and for each the expected images and those that are named."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Final

from services.common.events import ImageKind
from services.ingest.observations import observations_key
from services.ingest.push.image import PushImage, SkippedFile
from services.ingest.submissions.content import EXPECTED, kind_of

ASSOCIATIONS: Final = "parameter_associations"
KINDS: Final[tuple[ImageKind, ...]] = ("DV", "LAT", "other")


@dataclass(frozen=True)
class NamedImage:
    """One image that the submission names at `line`, and whether it is pushed or skipped."""

    line: int
    parameter_stable_id: str
    planned: PushImage | SkippedFile

    @property
    def kind(self) -> ImageKind:
        """The view that its parameter declares."""
        return kind_of(self.parameter_stable_id)

    @property
    def identity(self) -> tuple[str, str]:
        """A file named twice under one parameter is one image."""
        return self.parameter_stable_id, str(self.planned.source)

    def joined(self, later: NamedImage) -> NamedImage:
        """Return this image with the parameter associations of both."""
        if not isinstance(self.planned, PushImage) or not isinstance(later.planned, PushImage):
            return self
        both = [one.metadata.get(ASSOCIATIONS, "") for one in (self.planned, later.planned)]
        associations = ",".join(dict.fromkeys(filter(None, ",".join(both).split(","))))
        metadata = {**self.planned.metadata} | ({ASSOCIATIONS: associations} if associations else {})
        return replace(self, planned=replace(self.planned, metadata=metadata))


@dataclass
class SubmittedAnimal:
    """One specimen of a submission.

    `specimen` is the centre's own id, `biological_sample_id` the one that events carry. `remarks` give the reasons
    (status codes) why views were not taken. `examined` is True if the procedure was done, so its views are expected.
    """

    specimen: str
    biological_sample_id: str
    centre: str
    line: int
    examined: bool = False
    observations: int = 0
    images_by_identity: dict[tuple[str, str], NamedImage] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)

    @property
    def images(self) -> list[NamedImage]:
        """The images, in the order in which they are named."""
        return list(self.images_by_identity.values())

    def add(self, image: NamedImage) -> None:
        """Add an image; if it was named before, join its parameter associations."""
        earlier = self.images_by_identity.get(image.identity)
        self.images_by_identity[image.identity] = earlier.joined(image) if earlier else image

    def expected(self) -> dict[ImageKind, int]:
        """Return the number of images expected per view: those that are named, at least those that are required."""
        named = Counter(image.kind for image in self.images)
        return {kind: max(named[kind], EXPECTED.get(kind, 0) if self.examined else 0) for kind in KINDS}


@dataclass
class DccSubmission:
    """One file: its bytes as read, its animals by biological_sample_id, and its experiments without a clear owner."""

    path: Path
    data: bytes
    animals: dict[str, SubmittedAnimal] = field(default_factory=dict)
    unclear: list[tuple[int, str, str]] = field(default_factory=list)
    """(line, reason, message) of experiments that cannot be pushed."""
    other_procedures: int = 0

    @cached_property
    def key(self) -> str:
        """The key of the file's bytes in object storage."""
        return observations_key(self.data, "xml")
