from pathlib import Path

import cv2
import numpy as np
import pytest

from services.common.errors import Rejected
from tests.training.train.stream.tiny import tiny_multiview
from training.landmarks import evaluate
from training.landmarks.annotated import AnnotatedView
from training.landmarks.evaluate import FoundVertebrae, as_text, evaluate_folder, match, predicted_vertebrae


def _view(count: int) -> AnnotatedView:
    centres = np.stack([np.zeros(count), np.linspace(-0.5, 0.5, count)], axis=1)
    return AnnotatedView("one", np.zeros((448, 448), dtype=np.uint8), centres, np.full(count, 0.04))


def test_a_vertebra_is_found_within_half_the_height_of_its_box() -> None:
    view = _view(10)
    assert match(view, view.centres + np.array([0.0, 0.019])) == FoundVertebrae("one", 10, 10, 10)
    assert match(view, view.centres + np.array([0.0, 0.021])).matched == 0


def test_each_vertebra_counts_once_and_others_are_false() -> None:
    view = _view(4)
    twice = np.concatenate([view.centres[:3], view.centres[:1] + 0.001, [[0.9, 0.9]]])
    found = match(view, twice)
    assert (found.marked, found.found, found.matched) == (4, 5, 3)
    assert found.f1 == pytest.approx(2 * 3 / 9)
    assert found.count_error == 1


def test_nothing_found_is_no_error() -> None:
    found = match(_view(3), np.empty((0, 2)))
    assert (found.matched, found.f1, found.count_error) == (0, 0.0, -3)


def test_a_backbone_gives_points_in_the_view() -> None:
    backbone = tiny_multiview()
    view = np.random.default_rng(0).integers(0, 255, (448, 448), dtype=np.uint8)
    points = predicted_vertebrae(backbone, view, 224)
    assert points.shape[1] == 2
    assert (np.abs(points) < 2).all()


def test_pictures_that_intake_rejects_are_listed_with_the_reason(tmp_path: Path) -> None:
    blank = cv2.imencode(".png", np.zeros((600, 600), dtype=np.uint8))[1].tobytes()
    (tmp_path / "blank.png").write_bytes(blank)
    (tmp_path / "blank.txt").write_text("0 0.5 0.5 0.1 0.1\n")
    (result,) = evaluate_folder(tiny_multiview(), tmp_path, 224)
    assert result.refused
    assert as_text([result]) == f"blank: refused by intake ({result.refused})"


def test_damaged_boxes_stop_the_evaluation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def damaged(*_: object) -> AnnotatedView:
        raise Rejected("boxes_damaged", "one.txt, line 1")

    monkeypatch.setattr(evaluate, "read_view", damaged)
    (tmp_path / "one.png").touch()
    (tmp_path / "one.txt").touch()
    with pytest.raises(Rejected, match="line 1"):
        evaluate_folder(tiny_multiview(), tmp_path, 224)


def test_the_text_sums_over_accepted_pictures() -> None:
    text = as_text([FoundVertebrae("a", 10, 12, 10), FoundVertebrae("b", 10, 8, 8), FoundVertebrae("c", refused="cut")])
    assert text.splitlines() == [
        "a: F1 0.909, 10 of 10 found, count error +2",
        "b: F1 0.889, 8 of 10 found, count error -2",
        "c: refused by intake (cut)",
        "all 2: F1 0.900, largest count error 2",
    ]
