"""The truth covers the bones that the standardised view shows, and the altered ones where there is an abnormality."""

import cv2
import numpy as np
import pytest

from services.common.events.base import View
from services.common.labels import CALL_LABELS
from services.intake.settings import Limits
from services.intake.standardise import standardise
from training.simulation.bone_truth import CHANNELS, KINDS, REGIONS, SIDE, Maps, bone_truth
from training.simulation.files import encode
from training.simulation.render import render
from training.simulation.specimen import make_specimen


def _truth(seed: int, view: View, kinds: dict[str, float]) -> tuple[Maps, Maps]:
    specimen = make_specimen(seed, kinds=kinds)
    radiograph = render(specimen, view, 1, side=900)
    standard = standardise(encode(radiograph, seed=1).data, view, Limits())
    return bone_truth(radiograph, specimen, standard.provenance), standard.pixels


@pytest.mark.parametrize("view", ["DV", "LAT"])
@pytest.mark.parametrize("seed", [3, 4, 5])
def test_bones_lie_where_the_view_is_bright(seed: int, view: View) -> None:
    maps, pixels = _truth(seed, view, {})
    bone = maps[: len(REGIONS)].max(axis=0) > 100
    cells = cv2.resize(pixels, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    assert bone.sum() > 10
    assert cells[bone].mean() > cells[~bone].mean() + 60


def test_head_is_above_the_tail_in_dv_and_left_of_it_in_lat() -> None:
    for view, axis in (("DV", 0), ("LAT", 1)):
        maps, _ = _truth(3, view, {})  # type: ignore[arg-type]
        places = {name: np.argwhere(maps[CHANNELS.index(name)] > 30)[:, axis].mean() for name in ("skull", "caudal")}
        assert places["skull"] < places["caudal"] - 5


def test_only_the_altered_bones_labels_are_marked() -> None:
    normal, _ = _truth(3, "DV", {})
    assert not normal[len(REGIONS) :].any()
    kinked, _ = _truth(3, "DV", {"tail_kink": 0.8})
    marked = {name for name, one in zip(CHANNELS, kinked, strict=True) if name.startswith("altered") and one.any()}
    assert marked == {"altered", "altered: Spine", "altered: Caudal", "altered by tail_kink"}
    assert len(CHANNELS) == len(REGIONS) + 1 + len(CALL_LABELS) + len(KINDS)
