from pathlib import Path

import cv2
import numpy as np
import pytest

from services.common.errors import Rejected
from services.intake.settings import Limits
from training.landmarks.annotated import annotated_pictures, read_boxes, read_view
from training.models.multiview.landmarks import rows_of
from training.simulation.landmarks import LANDMARKS
from training.simulation.render import render
from training.simulation.specimen import make_specimen

_VERTEBRAE = rows_of(tuple(name for name in LANDMARKS if name[0] in "CTLS" and name[1:].isdigit()))


def test_boxes_are_read_in_shares_of_the_picture(tmp_path: Path) -> None:
    path = tmp_path / "one.txt"
    path.write_text("0 0.5 0.25 0.05 0.01\n0 0.5 0.3 0.05 0.02\n")
    assert read_boxes(path).tolist() == [[0.5, 0.25, 0.05, 0.01], [0.5, 0.3, 0.05, 0.02]]


@pytest.mark.parametrize("line", ["0 0.5 0.25 0.05", "0 0.5 0.25 0.05 high", "0 50 25 5 1"])
def test_damaged_boxes_are_rejected_with_their_line(line: str, tmp_path: Path) -> None:
    path = tmp_path / "one.txt"
    path.write_text(f"0 0.5 0.25 0.05 0.01\n{line}\n")
    with pytest.raises(Rejected, match=r"one.txt, line 2"):
        read_boxes(path)


def test_only_pictures_with_boxes_are_used(tmp_path: Path) -> None:
    for name in ("b.png", "b.txt", "a.PNG", "a.txt", "alone.png", "classes.txt"):
        (tmp_path / name).touch()
    assert [path.name for path in annotated_pictures(tmp_path)] == ["a.PNG", "b.png"]
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(Rejected, match="no picture with a box file"):
        annotated_pictures(empty)


def test_boxes_follow_the_vertebrae_into_the_view(tmp_path: Path) -> None:
    """The picture is turned by 40 degrees; in the view the spine is upright again, neck above pelvis."""
    radiograph = render(make_specimen(41, abnormal=False), "DV", 1, side=700, mirrored=False, head_angle=40.0)
    height, width = radiograph.transmission.shape
    shown = -np.log(np.clip(radiograph.transmission, 0.01, 1))
    grey = np.rint(255 * np.clip(shown / np.percentile(shown, 99.8), 0, 1)).astype(np.uint8)
    (tmp_path / "mouse.png").write_bytes(cv2.imencode(".png", grey)[1].tobytes())
    points = radiograph.landmarks.points[_VERTEBRAE][radiograph.landmarks.present[_VERTEBRAE]]
    lines = [f"0 {(x + 0.5) / width} {(y + 0.5) / height} 0.02 0.01" for x, y in points.tolist()]
    (tmp_path / "mouse.txt").write_text("\n".join(lines))
    view = read_view(tmp_path / "mouse.png", Limits())
    assert len(view.centres) == len(points)
    assert (np.abs(view.centres) < 1).all()
    assert np.ptp(view.centres[:, 0]) < 0.15
    assert view.centres[-1, 1] - view.centres[0, 1] > 0.4
    columns, rows = np.rint((view.centres + 1) * 224 - 0.5).astype(int).T
    assert np.median(view.pixels[rows, columns]) > 100
    assert (view.heights > 0).all()
