"""Tilted blades and rotated-in corners are sound; movement, oblique views and mirrored tails are found."""

import json
import subprocess
import sys

import cv2
import numpy as np
import pytest

from services.common.errors import Rejected
from services.intake.animal.edges import within_edges
from services.intake.animal.spine import spine_offset
from services.intake.animal.tail import tail_side
from services.intake.animal.trunk import find_trunk
from services.intake.motion import CARD, SIDE, motion_model, spectrum
from services.intake.standardise import standardise
from tests.intake.files import LIMITS, encoded, exposure, grey
from training.simulation.render import render
from training.simulation.specimen import make_specimen


def test_the_corners_of_a_turned_picture_are_outside_the_field() -> None:
    picture = np.full((300, 300), 0.1, np.float32)
    cv2.ellipse(picture, (150, 150), (30, 70), 0, 0, 360, 0.6, -1)
    turn = cv2.getRotationMatrix2D((150, 150), 40, 1.0)
    turned = np.asarray(cv2.warpAffine(picture, turn, (300, 300), borderValue=1.0), np.float32)
    field = within_edges(turned, np.ones(turned.shape, np.bool_))
    assert not field[[5, 5, -5, -5], [5, -5, 5, -5]].any()
    assert field[60:240, 60:240].mean() > 0.99
    assert within_edges(picture, np.ones(picture.shape, np.bool_)).all()


def test_a_picture_that_was_turned_in_its_frame_is_accepted() -> None:
    picture = grey(exposure(head_angle=0.0))
    height, width = picture.shape
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), 30, 0.9)
    turned = cv2.warpAffine(picture, turn, (width, height), borderValue=255)
    view = standardise(encoded(turned, ".png"), "DV", LIMITS)
    assert abs(float(str(view.provenance["rotation_degrees"])) + 30) < 15
    assert "polarity_inverted" not in view.flags


def test_an_oblique_dv_is_rejected() -> None:
    rolled = render(make_specimen(3, centre="JAX", abnormal=False), "DV", 3, side=600, head_angle=20.0, roll=42.0)
    with pytest.raises(Rejected) as caught:
        standardise(encoded(grey(rolled), ".png"), "DV", LIMITS)
    assert caught.value.reason == "oblique"


def test_an_animal_that_moved_is_rejected() -> None:
    kernel = np.zeros((15, 15), np.float32)
    cv2.line(kernel, (2, 2), (12, 12), 1.0)
    moved = cv2.filter2D(grey(exposure()), -1, kernel / kernel.sum(), borderType=cv2.BORDER_REPLICATE)
    with pytest.raises(Rejected) as caught:
        standardise(encoded(moved, ".png"), "DV", LIMITS)
    assert caught.value.reason == "motion_blur"


def test_the_tail_shows_its_side() -> None:
    drawn = np.zeros((300, 300), np.uint8)
    cv2.ellipse(drawn, (150, 120), (35, 80), 0, 0, 360, 1, -1)
    cv2.ellipse(drawn, (200, 190), (50, 70), 0, 90, 180, 1, 7)
    mask = drawn > 0
    trunk, up = find_trunk(mask), np.array([0.0, -1.0])
    assert tail_side(mask, trunk, up) > 0.8
    assert tail_side(mask[:, ::-1], find_trunk(mask[:, ::-1]), up) < -0.8


def test_the_spine_is_found_across_the_trunk() -> None:
    for column, offset in ((128, 0.0), (152, 0.6)):
        picture = np.zeros((SIDE, SIDE), np.float32)
        picture[:, 88:168] = 0.4
        picture[:, column - 3 : column + 3] = 1.0
        found = spine_offset(picture)
        assert found is not None
        assert abs(found - offset) < 0.08
    assert spine_offset(np.zeros((SIDE, SIDE), np.float32)) is None


def test_the_motion_network_is_the_one_on_its_card() -> None:
    assert motion_model()
    assert json.loads(CARD.read_text())["sha256"]
    assert spectrum(np.zeros((SIDE, SIDE), np.float32)).shape == (120,)


def test_threads_import_nothing_at_their_first_picture() -> None:
    """`np.fft` is imported at its first use; two threads that use it at once fail with a RecursionError."""
    program = "import sys, services.intake.standardise; sys.exit('numpy.fft' not in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
