"""A collection that is killed at any point: the same command continues and gives the same dataset."""

import multiprocessing
import os
import signal
from pathlib import Path

import pytest

from tests.training.datasets.collect.making import NORMAL, SPINE, named, simulated_set
from training.datasets.collect.collect import collect
from training.datasets.collect.dataset import Dataset

LABELS = dict.fromkeys([*named("train", 3), *named("test", 2)], SPINE) | dict.fromkeys(named("validation", 2), NORMAL)
POINTS = [("fetching", 0), ("fetching", 4), ("writing", 0), ("writing", 3), ("writing", len(LABELS))]


def _collected(out: Path, source: Path, kill_at: tuple[str, int] | None = None) -> Dataset:
    def progress(what: str, done: int, _total: int) -> None:
        if (what, done) == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    return collect(out, settings=None, sets=[source], grow_evaluation=True, progress=progress)


def _killed(out: Path, source: Path, point: tuple[str, int]) -> None:
    process = multiprocessing.get_context("fork").Process(target=_collected, args=(out, source, point))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL


def _files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return simulated_set(tmp_path / "set", LABELS)


@pytest.mark.parametrize("point", POINTS)
def test_the_same_command_continues(tmp_path: Path, source: Path, point: tuple[str, int]) -> None:
    whole, out = _collected(tmp_path / "whole", source), tmp_path / "out"
    _killed(out, source, point)
    assert not list(out.glob(f"{whole.digest}*")), "nothing unfinished may look like a dataset"
    dataset = _collected(out, source)
    assert dataset.folder.name == whole.digest
    assert _files(dataset.folder) == _files(whole.folder)
    assert dataset.description.evaluation.generation == 1
    assert {path.name for path in out.iterdir() if path.is_dir()} == {whole.digest}


def test_collecting_survives_repeated_kills(tmp_path: Path, source: Path) -> None:
    out = tmp_path / "out"
    for point in POINTS:
        _killed(out, source, point)
    assert len(_collected(out, source).specimens) == len(LABELS)
