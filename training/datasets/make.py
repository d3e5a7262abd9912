"""Make a training set with two processes; stopped (Ctrl-C, a crash), it goes on where it ended."""

from __future__ import annotations

import multiprocessing
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from multiprocessing.pool import Pool
from pathlib import Path
from typing import Final

import cv2

from training.datasets.check import check_folder, check_tensors
from training.datasets.recipe import Recipe
from training.datasets.simulated import simulate
from training.datasets.store import SetFolder

WORKERS: Final = 2

Progress = Callable[[int, int], None]
"""Called with how many specimens are done, of how many."""


def make_training_set(folder: Path, recipe: Recipe, progress: Progress) -> SetFolder:
    """Make what the folder still misses.

    Raises Rejected if it holds another recipe's set (`other_recipe`) or its files are damaged
    (`training.datasets.check`).
    """
    check_folder(folder, recipe)
    store = SetFolder(folder, recipe)
    check_tensors(store)
    missing = store.missing()
    done = recipe.specimens - len(missing)
    progress(done, recipe.specimens)
    if not missing:
        return store
    with _workers() as pool:
        make_one = partial(simulate, recipe=recipe)
        for entry, pictures in pool.imap_unordered(make_one, missing, chunksize=2):
            store.add(entry, pictures)
            done += 1
            progress(done, recipe.specimens)
    return store


def refusals(store: SetFolder) -> dict[str, int]:
    """Count the specimens that intake refused, by reason code."""
    return dict(Counter(entry.refused for entry in store.entries() if entry.refused))


@contextmanager
def _workers() -> Iterator[Pool]:
    # Not fork: a child of a process with torch's or OpenCV's threads may hang.
    pool = multiprocessing.get_context("spawn").Pool(WORKERS, initializer=_prepare_worker)
    try:
        yield pool
        pool.close()
    except BaseException:
        pool.terminate()
        raise
    finally:
        pool.join()


def _prepare_worker() -> None:
    # Ctrl-C reaches the whole process group; the parent ends the workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(1)
