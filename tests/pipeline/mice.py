"""Pictures of simulated mice for the tests: small, clean, as centres send them."""

from __future__ import annotations

from functools import lru_cache

from tests.pipeline.deployment import Picture
from training.phantom.centres import CENTRES
from training.phantom.files.encode import EncodedImage, encode
from training.phantom.render import render
from training.phantom.specimen import make_specimen

_SIDE = 600


def mouse(specimen: str, seed: int, images: int = 2) -> list[Picture]:
    """Return `images` DV and `images` LAT pictures of one animal; the same arguments give the same bytes."""
    centre = list(CENTRES)[seed % len(CENTRES)]
    encoded = [_encoded(seed, centre, view, number) for number in range(1, images + 1) for view in ("DV", "LAT")]
    return [Picture(specimen, centre, image.parameter_stable_id, image.data) for image in encoded]


@lru_cache(maxsize=1000)
def _encoded(seed: int, centre: str, view: str, number: int) -> EncodedImage:
    return encode(render(make_specimen(seed, centre=centre), view, number, side=_SIDE), seed=number)
