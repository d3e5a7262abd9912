"""A cohort as it would arrive: specimens with truth, their files, and the result expected from intake for each."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from training.simulation.anatomy.pose import DV, LAT
from training.simulation.centres import CENTRES
from training.simulation.files import PARAMETER_OF_VIEW, EncodedImage, encode
from training.simulation.imaging.radiograph import (
    BLANK,
    CUT,
    FOREPAW,
    HINDQUARTERS,
    OVER_EXPOSED,
    SKULL_DV,
    SKULL_LAT,
    TWO_ANIMALS,
    WHOLE_BODY,
)
from training.simulation.render import render
from training.simulation.specimen import PUBLIC, Prevalence, SimulatedSpecimen, make_specimen

ACCEPTED: Final = "accepted"
SKIPPED: Final = "skipped"
DUPLICATE: Final = "duplicate"
WRONG_VIEW: Final = "wrong_view"
CORRUPT: Final = "corrupt"
_EXTRA_TROUBLES: Final = (DUPLICATE, WRONG_VIEW, CORRUPT, BLANK, OVER_EXPOSED, CUT, TWO_ANIMALS)
_CLOSE_UPS: Final = (SKULL_DV, SKULL_LAT, FOREPAW, HINDQUARTERS)
SIMPLE_SIDE: Final = 600


@dataclass(frozen=True, slots=True)
class SubmittedImage:
    """One file of a specimen as sent.

    `view` is the view that it truly shows. `expected` is `accepted`, `skipped` (a close-up under its own parameter), or
    the trouble: duplicate, wrong_view, corrupt, blank, over_exposed, cut, two_animals. `late` files arrive last.
    """

    image: EncodedImage
    view: str
    increment: int
    expected: str
    late: bool
    head_angle_degrees: float
    mirrored: bool


@dataclass(frozen=True, slots=True)
class SpecimenSubmission:
    """One specimen and the files a centre sends for it, in order."""

    specimen: SimulatedSpecimen
    images: tuple[SubmittedImage, ...]

    @property
    def call_expected(self) -> bool:
        """Whether there is a good DV and a good LAT, so that a call must follow."""
        good = {image.view for image in self.images if image.expected == ACCEPTED}
        return good >= set(WHOLE_BODY)


def cohort(
    count: int,
    seed: int,
    *,
    simple: bool = False,
    side: int | None = None,
    trouble: float = 0.35,
    centres: Sequence[str] = CENTRES,
    prevalence: Prevalence = PUBLIC,
) -> Iterator[SpecimenSubmission]:
    """`count` submissions, rendered one at a time; the same arguments give the same bytes.

    Centres take turns. `trouble` is the share of specimens with one bad file in addition to their good ones (sometimes
    instead of the LAT); the troubles take turns. `simple` gives exactly one good DV and one good LAT of SIMPLE_SIDE
    pixels. `side` sets the longer side of all pictures. For centres that are not in training, pass UNSEEN_CENTRES.
    """
    for number in range(count):
        # Cohorts of consecutive seeds continue the turns of the previous one.
        turn = seed * count + number
        specimen = make_specimen(seed * 100_000 + number, centre=centres[turn % len(centres)], prevalence=prevalence)
        if simple:
            images = [_sent(specimen, view, 1, side or SIMPLE_SIDE) for view in WHOLE_BODY]
        else:
            images = _complete(specimen, side, _trouble(turn, trouble))
        yield SpecimenSubmission(specimen, tuple(images))


def _trouble(turn: int, share: float) -> str | None:
    """Troubles in turn, spread evenly at the given share of specimens."""
    before, after = int(turn * share), int((turn + 1) * share)
    return _EXTRA_TROUBLES[before % len(_EXTRA_TROUBLES)] if after > before else None


def _complete(specimen: SimulatedSpecimen, side: int | None, trouble: str | None) -> list[SubmittedImage]:
    rng = np.random.default_rng((specimen.seed, 6))
    counts = 1 + rng.choice(3, p=(0.6, 0.3, 0.1), size=2)
    images = [
        _sent(specimen, view, increment, side)
        for view, count in zip(WHOLE_BODY, counts.tolist(), strict=True)
        for increment in range(1, count + 1)
    ]
    if rng.random() < 0.25:
        images.append(replace(_sent(specimen, str(rng.choice(_CLOSE_UPS)), 1, side), expected=SKIPPED))
    if trouble is not None:
        bad = _troubled(specimen, images, trouble, side, rng)
        if trouble != DUPLICATE and rng.random() < 0.15:
            images = [image for image in images if image.view != LAT]
        images.append(bad)
    if rng.random() < 0.2:
        chosen = int(rng.integers(len(images)))
        images[chosen] = replace(images[chosen], late=True)
    return images


def _sent(
    specimen: SimulatedSpecimen, view: str, increment: int, side: int | None, trouble: str | None = None
) -> SubmittedImage:
    radiograph = render(specimen, view, increment, side=side, trouble=trouble)
    return SubmittedImage(
        image=encode(radiograph, seed=increment),
        view=view,
        increment=increment,
        expected=trouble or ACCEPTED,
        late=False,
        head_angle_degrees=radiograph.head_angle_degrees,
        mirrored=radiograph.mirrored,
    )


def _troubled(
    specimen: SimulatedSpecimen, images: list[SubmittedImage], trouble: str, side: int | None, rng: np.random.Generator
) -> SubmittedImage:
    """One more file with the given trouble."""
    view = str(rng.choice(WHOLE_BODY))
    if trouble == DUPLICATE:
        return replace(images[int(rng.integers(len(images)))], expected=DUPLICATE, increment=9)
    if trouble == WRONG_VIEW:
        sent = _sent(specimen, view, 9, side)
        other = PARAMETER_OF_VIEW[LAT if view == DV else DV]
        return replace(sent, image=replace(sent.image, parameter_stable_id=other), expected=WRONG_VIEW)
    if trouble == CORRUPT:
        sent = _sent(specimen, view, 9, side)
        cut = sent.image.data[: int(len(sent.image.data) * rng.uniform(0.1, 0.6))]
        return replace(sent, image=replace(sent.image, data=cut), expected=CORRUPT)
    return _sent(specimen, view, 9, side, trouble)
