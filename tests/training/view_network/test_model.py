"""The committed model: the one on its card, equivariant, safe with threads, right on unseen mice."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from services.common.errors import Fatal
from services.intake import orient
from services.intake.orient import MODEL, view_model
from training.view_network.samples import collect, specimen_samples
from training.view_network.train import score

UNSEEN = collect([sample for seed in range(700_000, 700_020) for sample in specimen_samples(seed)])


def test_it_is_accurate_on_unseen_simulated_mice() -> None:
    figures = score(MODEL, UNSEEN)
    assert figures["view_right"] > 0.93
    assert figures["up_right"] > 0.95
    assert figures["mirrored_right"] > 0.8
    assert figures["view_confident_and_wrong"] < 0.03
    assert figures["up_confident_and_wrong"] < 0.03


def test_turning_and_flipping_the_animal_turns_the_verdict() -> None:
    for picture in UNSEEN.pictures[:6]:
        plain = view_model().orient(picture)
        turned = view_model().orient(np.ascontiguousarray(picture[::-1, ::-1]))
        flipped = view_model().orient(np.ascontiguousarray(picture[:, ::-1]))
        assert turned.head_up == pytest.approx(1 - plain.head_up, abs=1e-5)
        assert turned.mirrored == pytest.approx(plain.mirrored, abs=1e-5)
        assert flipped.head_up == pytest.approx(plain.head_up, abs=1e-5)
        assert flipped.mirrored == pytest.approx(1 - plain.mirrored, abs=1e-5)
        assert sum(plain.view.values()) == pytest.approx(1)


def test_threads_get_the_same_answers() -> None:
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(view_model().orient, list(UNSEEN.pictures[:8]) * 6))
    assert answers == [view_model().orient(picture) for picture in UNSEEN.pictures[:8]] * 6


def test_a_file_that_the_card_does_not_name_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    changed = tmp_path / "view_model.onnx"
    changed.write_bytes(MODEL.read_bytes() + b"\0")
    view_model.cache_clear()
    monkeypatch.setattr(orient, "MODEL", changed)
    with pytest.raises(Fatal, match=r"python -m training\.view_network\.train"):
        view_model()
    view_model.cache_clear()


def test_it_is_small() -> None:
    assert MODEL.stat().st_size < 500_000
