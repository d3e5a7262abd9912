"""A submission as it is to be pushed: specimens, what each should have, and its pictures."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Final

from services.common.events import ImageKind
from services.ingest.push.image import PushImage, SkippedFile
from services.ingest.submissions.content import EXPECTED, kind_of, observations_key

ASSOCIATIONS: Final = "parameter_associations"
KINDS: Final[tuple[ImageKind, ...]] = ("DV", "LAT", "other")


@dataclass(frozen=True)
class NamedImage:
    """One picture that the submission names: an image to push or why not, and where it stands."""

    line: int
    parameter_stable_id: str
    planned: PushImage | SkippedFile

    @property
    def kind(self) -> ImageKind:
        """The view that its parameter declares."""
        return kind_of(self.parameter_stable_id)

    @property
    def identity(self) -> tuple[str, str]:
        """One file named twice under one parameter is one picture."""
        return self.parameter_stable_id, str(self.planned.source)

    def joined(self, later: NamedImage) -> NamedImage:
        """This one, with the parameter associations of both."""
        if not isinstance(self.planned, PushImage) or not isinstance(later.planned, PushImage):
            return self
        both = [one.metadata.get(ASSOCIATIONS, "") for one in (self.planned, later.planned)]
        associations = ",".join(dict.fromkeys(filter(None, ",".join(both).split(","))))
        metadata = {**self.planned.metadata} | ({ASSOCIATIONS: associations} if associations else {})
        return replace(self, planned=replace(self.planned, metadata=metadata))


@dataclass
class SubmittedAnimal:
    """One specimen of a submission.

    `specimen` is the centre's own id, `biological_sample_id` the one that events carry. `remarks` say why a view was
    not taken (status codes); `examined` is whether the procedure was done, so that its views are to be expected.
    """

    specimen: str
    biological_sample_id: str
    centre: str
    line: int
    examined: bool = False
    observations: int = 0
    pictures: dict[tuple[str, str], NamedImage] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)

    @property
    def named(self) -> list[NamedImage]:
        """The pictures, in the order in which they are named."""
        return list(self.pictures.values())

    def name(self, picture: NamedImage) -> None:
        """Add a picture, or what is new of one that was named before."""
        earlier = self.pictures.get(picture.identity)
        self.pictures[picture.identity] = earlier.joined(picture) if earlier else picture

    def expected(self) -> dict[ImageKind, int]:
        """How many pictures of each view should come: those that are named, at least those that are required."""
        named = Counter(one.kind for one in self.pictures.values())
        return {kind: max(named[kind], EXPECTED.get(kind, 0) if self.examined else 0) for kind in KINDS}


@dataclass
class DccSubmission:
    """One file: its bytes as read, its animals by biological_sample_id, and lines that name no animal."""

    path: Path
    data: bytes
    animals: dict[str, SubmittedAnimal] = field(default_factory=dict)
    unclear: list[tuple[int, str, str]] = field(default_factory=list)
    """(line, reason, words) of experiments that cannot be pushed."""
    other_procedures: int = 0

    @cached_property
    def key(self) -> str:
        """Where the file's bytes are kept in object storage."""
        return observations_key(self.data, "xml")
