"""Real X-rays. They are third-party data and not part of this repository: see tests/real_pictures.py."""

from pathlib import Path

import pytest

from services.common.errors import Rejected
from services.common.events.base import View
from services.intake.standardise import StandardView, standardise
from tests.intake.files import LIMITS

WHOLE_BODY = ["wholebody_DV_Clnr1_hom_596x589.jpg", "thumb_Akt2_wholebody_DV_1.png", "thumb_Akt2_wholebody_DV_2.png"]
CLOSE_UPS = [
    "head_DV_Notch3_hom_596x589.jpg",
    "head_lateral_WT_597x590.jpg",
    "hindquarters_Jazf1_het_596x589.jpg",
    "thumb_1110037F02Rik_forepaw.png",
    "thumb_1110037F02Rik_skullDV.png",
    "thumb_1110037F02Rik_skull_lateral.png",
]


def view_of(path: Path, declared: View | None) -> StandardView:
    return standardise(path.read_bytes(), declared, LIMITS)


def rotation(view: StandardView) -> float:
    return float(str(view.provenance["rotation_degrees"]))


@pytest.mark.parametrize("name", WHOLE_BODY)
@pytest.mark.parametrize("declared", ["DV", "LAT", None])
def test_a_whole_body_dv_is_recognised_and_turned_upright(
    real_pictures: Path, name: str, declared: View | None
) -> None:
    view = view_of(real_pictures / "impc_images" / name, declared)
    assert view.view == "DV"
    assert ("view_contradicts_parameter" in view.flags) == (declared == "LAT")
    assert {"orientation_uncertain", "mirrored_suspected", "polarity_inverted"}.isdisjoint(view.flags)
    assert -65 < rotation(view) < -35, "in all three pictures the head is at the top left"
    assert view.scores["mirrored"] < 0.3


def test_an_over_exposed_lateral_keeps_its_declared_view(real_pictures: Path) -> None:
    view = view_of(real_pictures / "impc_images" / "thumb_1110037F02Rik_wholebody_lateral.png", "LAT")
    assert view.view == "LAT"
    assert "view_contradicts_parameter" not in view.flags


@pytest.mark.parametrize("name", CLOSE_UPS)
@pytest.mark.parametrize("declared", ["DV", "LAT", None])
def test_a_close_up_is_rejected(real_pictures: Path, name: str, declared: View | None) -> None:
    with pytest.raises(Rejected) as caught:
        view_of(real_pictures / "impc_images" / name, declared)
    assert caught.value.reason == "not_whole_body"


@pytest.mark.parametrize(("view", "turn"), [("DV", -90.0), ("LAT", 90.0)])
def test_the_digimouse_pair_is_accepted(real_pictures: Path, view: View, turn: float) -> None:
    found = view_of(real_pictures / "digimouse" / f"digimouse_DRR_{view}_16bit.png", view)
    assert found.view == view
    assert "view_contradicts_parameter" not in found.flags
    assert abs((rotation(found) - turn + 180) % 360 - 180) < 12
    assert found.provenance["flipped"] is False
