"""Makes a training set with two processes; after a stop (Ctrl-C, a crash) it continues where it stopped.

Each simulated specimen passes through the serving code: encode, standardise (intake), fuse (fuser).
"""

import hashlib
import multiprocessing
import signal
from collections import Counter
from collections.abc import Callable, Collection, Iterator
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
from training.datasets.check import check_folder, check_tensors
from training.datasets.recipe import Recipe
from training.datasets.store import SetFolder, SpecimenArrays, StoredSpecimen
from training.simulation.bone_truth import bone_truth
from training.simulation.files import encode
from training.simulation.render import render
from training.simulation.specimen import SimulatedSpecimen

Image = NDArray[np.uint8]

VIEWS: Final[tuple[View, ...]] = ("DV", "LAT")
IMAGES_PER_VIEW: Final = (0.8, 0.15, 0.05)
"""Probabilities of one, two and three images of a view. The public record has more, but every simulated image has its
own posture, so the fuser keeps only one of several: more images would cost time without changing the tensors."""


@dataclass
class _ViewImages:
    """Intake's results for the images of one view, and the reason of the last rejection, if any."""

    pixels: list[Image] = field(default_factory=list)
    bones: list[Image] = field(default_factory=list)
    sources: list[tuple[str, str, str]] = field(default_factory=list)
    refused: str = ""

    def mean_bones(self) -> Image:
        """Bone truth of the mean view: the mean over the same images."""
        mean = np.mean([self.bones[index] for index in agreeing(self.pixels)], axis=0)
        return np.asarray(mean, dtype=np.uint8)


def simulate(index: int, recipe: Recipe) -> tuple[StoredSpecimen, SpecimenArrays | None]:
    """Make specimen `index` of a recipe and its pictures.

    The pictures are None if intake rejected all images of a view, and for a specimen that is abnormal only outside the
    thirteen labels, which is never used for training, unless the recipe keeps such specimens.
    """
    specimen = recipe.specimen(index)
    if specimen.abnormal_elsewhere and not recipe.keeps_elsewhere:
        return _entry(index, specimen), None
    random = np.random.default_rng((specimen.seed, 8))
    views = [
        _standardised(specimen, view, 1 + int(random.choice(3, p=IMAGES_PER_VIEW)), recipe.picture_side)
        for view in VIEWS
    ]
    for view in views:
        if not view.pixels:
            return _entry(index, specimen, refused=view.refused), None
    dorsoventral, lateral = (view.pixels for view in views)
    pictures = SpecimenArrays(
        fuse(dorsoventral, lateral, recipe.side),
        np.stack([mean_view(dorsoventral), mean_view(lateral)]),
        np.stack([view.mean_bones() for view in views]),
    )
    sources = (source for view in views for source in view.sources)
    return _entry(index, specimen, digest=_sha256(pictures.tensor.tobytes()), sources=tuple(sources)), pictures


def _standardised(specimen: SimulatedSpecimen, view: View, images: int, side: int) -> _ViewImages:
    result = _ViewImages()
    for number in range(1, images + 1):
        radiograph = render(specimen, view, number, side=side)
        data = encode(radiograph, seed=number).data
        try:
            standard = standardise(data, view, _limits())
        except Rejected as refusal:
            result.refused = refusal.reason
            continue
        if standard.view != view:
            result.refused = "other_view"
            continue
        result.pixels.append(standard.pixels)
        result.bones.append(bone_truth(radiograph, specimen, standard.provenance))
        result.sources.append((view, _sha256(data), _sha256(encode_view(standard.pixels))))
    return result


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
"""Called with the number of specimens done and the total."""


def make_training_set(
    folder: Path, recipe: Recipe, on_progress: Progress, only: Collection[int] | None = None
) -> SetFolder:
    """Make the specimens that the folder does not have yet, or those of the indices `only` among them.

    Raises Rejected if it holds a set of another recipe (`other_recipe`) or damaged files (`training.datasets.check`).
    """
    check_folder(folder, recipe)
    store = SetFolder(folder, recipe)
    check_tensors(store)
    missing = [index for index in store.missing() if only is None or index in only]
    total = recipe.specimens if only is None else len(only)
    done = total - len(missing)
    on_progress(done, total)
    if not missing:
        return store
    with _workers() as pool:
        make_one = partial(simulate, recipe=recipe)
        for entry, pictures in pool.imap_unordered(make_one, missing, chunksize=2):
            store.add(entry, pictures)
            done += 1
            on_progress(done, total)
    return store


def refusals(store: SetFolder) -> dict[str, int]:
    """Count the specimens that intake rejected, by reason code."""
    return dict(Counter(entry.refused for entry in store.entries() if entry.refused))


@contextmanager
def _workers() -> Iterator[Pool]:
    # Not fork: a forked child of a process with torch or OpenCV threads may hang.
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
    # Ctrl-C reaches the whole process group; the parent stops the workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(1)
