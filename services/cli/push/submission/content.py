"""A submission as it is to be pushed: specimens, what each should have, and its pictures."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final

from services.cli.push.image import Image, LeftOut
from services.common.events import ImageKind
from services.submissions.observations import observations_key
from services.submissions.views import EXPECTED, kind_of

KINDS: Final[tuple[ImageKind, ...]] = ("DV", "LAT", "other")


@dataclass(frozen=True)
class Named:
    """One picture that the submission names: an image to push or why not, and where it stands."""

    line: int
    parameter_stable_id: str
    planned: Image | LeftOut

    @property
    def kind(self) -> ImageKind:
        """The view that its parameter declares."""
        return kind_of(self.parameter_stable_id)

    @property
    def identity(self) -> tuple[str, str]:
        """One file named twice under one parameter is one picture."""
        return self.parameter_stable_id, str(self.planned.source)


@dataclass
class Animal:
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
    named: list[Named] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def expected(self) -> dict[ImageKind, int]:
        """How many pictures of each view should come: those that are named, at least those that are required."""
        named = Counter(one.kind for one in self.named)
        return {kind: max(named[kind], EXPECTED.get(kind, 0) if self.examined else 0) for kind in KINDS}


@dataclass
class Submission:
    """One file: its bytes as read, its animals by biological_sample_id, and lines that name no animal."""

    path: Path
    data: bytes
    animals: dict[str, Animal] = field(default_factory=dict)
    unclear: list[tuple[int, str, str]] = field(default_factory=list)
    """(line, reason, words) of experiments that cannot be pushed."""
    other_procedures: int = 0

    @cached_property
    def key(self) -> str:
        """Where the file's bytes are kept in object storage."""
        return observations_key(self.data, "xml")
