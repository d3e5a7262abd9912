"""Make a training set with two processes; stopped (Ctrl-C, a crash), it goes on where it ended.

One simulated specimen through the code that serves: encode, standardise (intake), fuse (fuser).
"""

from __future__ import annotations

import hashlib
import multiprocessing
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, partial
from multiprocessing.pool import Pool
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from services.common.errors import Rejected
from services.common.events.base import View
from services.fuser.fuse import agreeing, fuse, mean_view
from services.intake.settings import Limits
from services.intake.standardise import encode_view, standardise
from training.datasets.bone_truth import bone_truth
from training.datasets.check import check_folder, check_tensors
from training.datasets.recipe import Recipe
from training.datasets.store import SetFolder, SpecimenPictures, StoredSpecimen
from training.simulation.files.encode import encode
from training.simulation.render import render
from training.simulation.specimen import SimulatedSpecimen

Image = NDArray[np.uint8]

VIEWS: Final[tuple[View, ...]] = ("DV", "LAT")
IMAGES_PER_VIEW: Final = (0.8, 0.15, 0.05)
"""Chances of one, two, three images of a view. The public record has more; every simulated image has its own posture,
so that of several the fuser keeps one, and more of them would cost time and change no tensor's kind."""


@dataclass
class _Taken:
    """What intake made of the images of one view, and the reason of the last refusal if there was one."""

    pixels: list[Image] = field(default_factory=list)
    bones: list[Image] = field(default_factory=list)
    sources: list[tuple[str, str, str]] = field(default_factory=list)
    refused: str = ""

    def mean_bones(self) -> Image:
        """Bone truth of the mean view: of the images that it is the mean of."""
        mean = np.mean([self.bones[index] for index in agreeing(self.pixels)], axis=0)
        return np.asarray(mean, dtype=np.uint8)


def simulate(index: int, recipe: Recipe) -> tuple[StoredSpecimen, SpecimenPictures | None]:
    """Make specimen `index` of a recipe and its pictures.

    They are None if intake refused all images of a view, and for a specimen that is abnormal only outside the
    thirteen labels, which no training uses.
    """
    specimen = recipe.specimen(index)
    if specimen.abnormal_elsewhere:
        return _entry(index, specimen), None
    random = np.random.default_rng((specimen.seed, 8))
    views = [_take(specimen, view, 1 + int(random.choice(3, p=IMAGES_PER_VIEW)), recipe.picture_side) for view in VIEWS]
    for view in views:
        if not view.pixels:
            return _entry(index, specimen, refused=view.refused), None
    dorsoventral, lateral = (view.pixels for view in views)
    pictures = SpecimenPictures(
        fuse(dorsoventral, lateral, recipe.side),
        np.stack([mean_view(dorsoventral), mean_view(lateral)]),
        np.stack([view.mean_bones() for view in views]),
    )
    sources = (source for view in views for source in view.sources)
    return _entry(index, specimen, digest=_sha256(pictures.tensor.tobytes()), sources=tuple(sources)), pictures


def _take(specimen: SimulatedSpecimen, view: View, images: int, side: int) -> _Taken:
    taken = _Taken()
    for number in range(1, images + 1):
        radiograph = render(specimen, view, number, side=side)
        data = encode(radiograph, seed=number).data
        try:
            standard = standardise(data, view, _limits())
        except Rejected as refusal:
            taken.refused = refusal.reason
            continue
        if standard.view != view:
            taken.refused = "other_view"
            continue
        taken.pixels.append(standard.pixels)
        taken.bones.append(bone_truth(radiograph, specimen, standard.provenance))
        taken.sources.append((view, _sha256(data), _sha256(encode_view(standard.pixels))))
    return taken


def _entry(
    index: int,
    specimen: SimulatedSpecimen,
    *,
    digest: str = "",
    refused: str = "",
    sources: tuple[tuple[str, str, str], ...] = (),
) -> StoredSpecimen:
    return StoredSpecimen(
        index=index,
        specimen=specimen.biological_sample_id,
        centre=specimen.centre,
        labels=(specimen.level1, *specimen.call),
        digest=digest,
        refused=refused,
        sources=sources,
    )


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@cache
def _limits() -> Limits:
    return Limits()


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
