"""Cohorts of simulated strangers, each a function of seeds, drawn once and kept on disk.

Seeds are those of no training set. Nothing is chosen on these specimens.
"""

from __future__ import annotations

import json
import multiprocessing
import signal
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from itertools import count, islice
from pathlib import Path
from typing import Any, Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from services.common.atomic import atomic
from services.common.errors import Rejected
from services.common.labels import LABEL_ORDER
from services.common.preprocessing import TENSOR_SIDE
from services.fuser.fuse import fuse
from services.intake.settings import Limits
from services.intake.standardise import standardise
from training.population import Population
from training.simulation.centres import CENTRES
from training.simulation.online import fused, radiographs, standard_views
from training.simulation.shifts import shifted
from training.simulation.specimen import RECORD, SimulatedSpecimen, make_specimen

FIRST_SEED: Final = 5_000_000_000
"""Specimens of the holdout have seeds from here on."""
CONTROL_SEED: Final = 6_000_000_000
"""Controls of the simulated centres have seeds from here on: normal mice, given to the system as such."""
CONTROLS: Final = 30
"""Controls per centre."""
SHIFT_CENTRES: Final = ("JAX", "UC Davis")
"""Shifts are applied at these centres, controls included: a centre's manner is that of all its pictures."""
WORKERS: Final = 2

Images = NDArray[np.uint8]
Progress = Callable[[int, int], None]
Draw = Callable[[SimulatedSpecimen], "Images | str"]
"""Makes a specimen's tensor, or returns the reason why intake refuses its pictures."""


@dataclass(frozen=True)
class Cohort:
    """Specimens of one kind: tensors uint8 [n, side, side, 3], labels uint8 [n, 14], centres and controls [n].

    `refused` counts the specimens that intake refused, by reason; they are not among the n.
    """

    name: str
    tensors: Images
    labels: Images
    centres: tuple[str, ...]
    control: NDArray[np.bool_]
    refused: dict[str, int]

    def select(self, rows: NDArray[np.bool_]) -> Cohort:
        """Return the specimens of a mask [n]."""
        centres = tuple(self.centres[row] for row in np.flatnonzero(rows).tolist())
        return replace(
            self, tensors=self.tensors[rows], labels=self.labels[rows], centres=centres, control=self.control[rows]
        )

    def save(self, path: Path) -> None:
        """Write the cohort to a file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic(path) as part, part.open("wb") as file:
            np.savez_compressed(
                file,
                tensors=self.tensors,
                labels=self.labels,
                centres=np.array(self.centres, dtype=np.str_),
                control=self.control,
                reasons=np.array(list(self.refused), dtype=np.str_),
                refusals=np.array(list(self.refused.values()), dtype=np.int64),
            )


def read_cohort(name: str, path: Path) -> Cohort:
    """Read a cohort from its file."""
    with np.load(path, allow_pickle=False) as arrays:
        reasons = zip(arrays["reasons"].tolist(), arrays["refusals"].tolist(), strict=True)
        centres = tuple(arrays["centres"].tolist())
        return Cohort(name, arrays["tensors"], arrays["labels"], centres, arrays["control"], dict(reasons))


class Plan(NamedTuple):
    """The specimens of a cohort and how their tensors are made."""

    specimens: tuple[SimulatedSpecimen, ...]
    control: tuple[bool, ...]
    draw: Draw


def holdout(specimens: int, population: Population) -> Plan:
    """Plan `specimens` mice as in the public record, half of them abnormal, and `CONTROLS` controls of each centre."""
    drawn = (make_specimen(seed, prevalence=RECORD, population=population) for seed in count(FIRST_SEED))
    chosen = list(islice((one for one in drawn if not one.abnormal_elsewhere), specimens))
    return _plan(chosen, _controls(CENTRES, population), _plain)


def under_shift(shift: str, specimens: int, population: Population, *, controls: bool) -> Plan:
    """Plan `specimens` mice of `SHIFT_CENTRES` under a shift, with controls under the same shift if asked for."""
    drawn = (make_specimen(seed, prevalence=RECORD, population=population) for seed in count(FIRST_SEED))
    suitable = (one for one in drawn if one.centre in SHIFT_CENTRES and not one.abnormal_elsewhere)
    chosen = list(islice(suitable, specimens))
    known = _controls(SHIFT_CENTRES, population) if controls else []
    return _plan(chosen, known, partial(_shifted, shift=shift))


def _controls(centres: Iterable[str], population: Population) -> list[SimulatedSpecimen]:
    seeds = count(CONTROL_SEED)
    return [
        make_specimen(next(seeds), centre=centre, abnormal=False, population=population)
        for centre in centres
        for _ in range(CONTROLS)
    ]


def _plan(chosen: list[SimulatedSpecimen], controls: list[SimulatedSpecimen], draw: Draw) -> Plan:
    control = (False,) * len(chosen) + (True,) * len(controls)
    return Plan((*chosen, *controls), control, draw)


def _plain(specimen: SimulatedSpecimen) -> Images | str:
    reasons: Counter[str] = Counter()
    views = standard_views(specimen, radiographs(specimen), reasons)
    return next(iter(reasons)) if views is None else fused(specimen, views).tensor


def _shifted(specimen: SimulatedSpecimen, shift: str) -> Images | str:
    reasons: Counter[str] = Counter()
    sample = shifted(specimen, shift, seed=0, refused=reasons)
    return next(iter(reasons), "refused") if sample is None else sample.tensor


def make_cohort(name: str, plan: Plan, path: Path, on_progress: Progress) -> Cohort:
    """Draw a plan's specimens with `WORKERS` processes, unless the file at `path` holds them already."""
    if path.exists():
        return read_cohort(name, path)
    results: list[Images | str] = []
    with multiprocessing.get_context("spawn").Pool(WORKERS, initializer=_prepare) as pool:
        for result in pool.imap(plan.draw, plan.specimens, chunksize=4):
            results.append(result)
            on_progress(len(results), len(plan.specimens))
    cohort = _joined(name, plan, results)
    cohort.save(path)
    return cohort


def _joined(name: str, plan: Plan, results: list[Images | str]) -> Cohort:
    kept = [index for index, result in enumerate(results) if not isinstance(result, str)]
    tensors = [result for result in results if not isinstance(result, str)]
    if not tensors:
        raise Rejected("no_specimens", f"intake refused all pictures of the cohort {name}")
    specimens = [plan.specimens[index] for index in kept]
    return Cohort(
        name,
        np.stack(tensors),
        np.array([(one.level1, *one.call) for one in specimens], dtype=np.uint8).reshape(-1, len(LABEL_ORDER)),
        tuple(one.centre for one in specimens),
        np.array([plan.control[index] for index in kept]),
        dict(Counter(result for result in results if isinstance(result, str))),
    )


def _prepare() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(1)


LINES: Final = "specimens.jsonl"
ANIMALS: Final = "animals.jsonl"
IMAGES: Final = "images.npy"


def read_foreign(folder: Path) -> Cohort:
    """Read a set in the format of a training set, with a line per animal that says which are controls.

    Specimens that are abnormal only outside the thirteen labels are left out, as everywhere. Raises Rejected
    `not_a_set` if a file is missing.
    """
    for name in (LINES, ANIMALS, IMAGES):
        if not (folder / name).exists():
            raise Rejected("not_a_set", f"{folder} has no {name}: it is not a foreign set")
    entries = sorted(_lines(folder / LINES), key=lambda entry: int(entry["index"]))
    group = {animal["index"]: animal["sample_group"] for animal in _lines(folder / ANIMALS)}
    kept = [one for one in entries if one["digest"] and (not one["labels"][0] or any(one["labels"][1:]))]
    images = np.load(folder / IMAGES, mmap_mode="r")
    return Cohort(
        "foreign",
        np.stack([images[one["index"]] for one in kept]),
        np.array([one["labels"] for one in kept], dtype=np.uint8),
        tuple(one["centre"] for one in kept),
        np.array([group[one["index"]] == "control" for one in kept]),
        dict(Counter(one["refused"] for one in entries if one["refused"])),
    )


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


PICTURES: Final = (".png", ".jpg", ".jpeg", ".dcm", ".bmp")
LATERALS: Final = 2
"""Simulated lateral views, of different mice, that each real dorsoventral view is combined with."""


def read_radiographs(folder: Path) -> Cohort:
    """Combine each dorsoventral picture in a folder with lateral views of normal simulated mice.

    Nothing is known about these animals but that nobody called them abnormal: their labels are those of a normal mouse.
    """
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in PICTURES)
    laterals = [_lateral(CONTROL_SEED + number) for number in range(LATERALS)]
    tensors, refused = [], Counter[str]()
    for path in paths:
        try:
            dorsoventral = standardise(path.read_bytes(), "DV", Limits()).pixels
        except Rejected as rejection:
            refused[rejection.reason] += LATERALS
            continue
        tensors += [fuse([dorsoventral], [lateral], TENSOR_SIDE) for lateral in laterals]
    if not tensors:
        raise Rejected("no_specimens", f"intake accepted no picture of {folder}")
    labels = np.zeros((len(tensors), len(LABEL_ORDER)), dtype=np.uint8)
    control = np.zeros(len(tensors), dtype=np.bool_)
    return Cohort("radiographs", np.stack(tensors), labels, ("real",) * len(tensors), control, dict(refused))


def _lateral(seed: int) -> Images:
    specimens = (make_specimen(one, centre=SHIFT_CENTRES[0], abnormal=False) for one in count(seed, LATERALS))
    views = (standard_views(specimen, radiographs(specimen)) for specimen in specimens)
    return next(both for both in views if both is not None)[1].pixels
