"""Draw sound and faulty pictures, standardise each as intake does, and print which shares are refused and flagged.

Limits are chosen on one drawn set (`--seed` 0) and reported on another (`--seed` 1, the default).
"""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from services.common.errors import Rejected
from services.common.events.base import View
from services.intake.settings import Limits
from services.intake.standardise import StandardView, standardise, standardise_raster
from training.intake_trial.faults import KINDS, MIRRORED, REFUSED_AS, SOUND, Drawn, draw
from training.markdown import table
from training.population import Population

_SETS_APART: Final = 10_000_000
_FIRST_SEED: Final = 600_000
_UPRIGHT_DEGREES: Final = 25.0
"""A view is upright if it was turned to within this angle of the true head direction."""
_Z: Final = 1.96


@dataclass(frozen=True)
class TrialOutcome:
    """What intake did with one picture: a reason code or the flags, whether view and head are right, and its time."""

    kind: str
    reason: str | None
    flags: tuple[str, ...]
    right: bool
    milliseconds: float


def run_kind(kind: str, seeds: Sequence[int], population: Population, skeleton: Path | None) -> list[TrialOutcome]:
    """Draw and judge the pictures of one kind on all cores."""
    with ProcessPoolExecutor(initializer=cv2.setNumThreads, initargs=(1,)) as pool:
        return list(pool.map(partial(judge, kind, population, skeleton), seeds, chunksize=8))


def judge(kind: str, population: Population, skeleton: Path | None, seed: int) -> TrialOutcome:
    """Draw one picture and standardise it."""
    drawn = draw(kind, seed, population, skeleton)
    start = time.perf_counter()
    try:
        view = standardise_raster(drawn.raster, drawn.view, Limits())
    except Rejected as refused:
        return TrialOutcome(kind, refused.reason, (), False, 1000 * (time.perf_counter() - start))
    return TrialOutcome(kind, None, view.flags, _right(view, drawn), 1000 * (time.perf_counter() - start))


def _right(view: StandardView, drawn: Drawn) -> bool:
    turned = float(str(view.provenance["rotation_degrees"]))
    expected = -drawn.head_angle_degrees + (90.0 if drawn.view == "LAT" else 0.0)
    off = abs((turned - expected + 180) % 360 - 180)
    return view.view == drawn.view and off <= _UPRIGHT_DEGREES


def interval(hits: int, count: int) -> tuple[float, float]:
    """Return the 95 % Wilson interval of a share."""
    if not count:
        return 0.0, 1.0
    share, extra = hits / count, _Z**2 / count
    middle, half = share + extra / 2, _Z * float(np.sqrt(share * (1 - share) / count + extra / count / 4))
    return max((middle - half) / (1 + extra), 0.0), min((middle + half) / (1 + extra), 1.0)


def share(outcomes: Iterable[bool]) -> str:
    """Return a share in percent with its interval."""
    held = list(outcomes)
    low, high = interval(sum(held), len(held))
    return f"{100 * sum(held) / max(len(held), 1):.1f} ({100 * low:.1f} to {100 * high:.1f})"


def row(kind: str, outcomes: Sequence[TrialOutcome]) -> list[object]:
    """Return a kind's row: refused, refused with a reason of its own, doubtful, mirrored, view and head right."""
    accepted = [outcome for outcome in outcomes if outcome.reason is None]
    reasons = Counter(outcome.reason for outcome in outcomes if outcome.reason)
    own = REFUSED_AS.get(kind, frozenset())
    return [
        kind,
        len(outcomes),
        share(outcome.reason is not None for outcome in outcomes),
        share(outcome.reason in own for outcome in outcomes) if own else "",
        share(any(flag in _DOUBT for flag in outcome.flags) for outcome in outcomes),
        share("mirrored_suspected" in outcome.flags for outcome in accepted) if kind in (SOUND, MIRRORED) else "",
        share(outcome.right for outcome in accepted) if kind in (SOUND, MIRRORED) else "",
        ", ".join(f"{reason} {count}" for reason, count in reasons.most_common()),
        f"{np.median([outcome.milliseconds for outcome in outcomes]):.1f}",
    ]


_DOUBT: Final = frozenset({"view_uncertain", "orientation_uncertain", "mirrored_suspected"})
HEADER: Final = (
    "kind",
    "n",
    "refused %",
    "with its own reason %",
    "flagged as doubtful %",
    "mirrored_suspected % of accepted",
    "view and head right % of accepted",
    "reasons",
    "ms",
)


def real(folder: Path, declared: View | None) -> list[list[object]]:
    """Return a row for each picture file of a folder."""
    rows: list[list[object]] = []
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in {".png", ".jpg", ".bmp", ".tif", ".dcm"}:
            continue
        try:
            view = standardise(path.read_bytes(), declared, Limits())
        except Rejected as refused:
            rows.append([path.name, f"refused: {refused.reason}", refused.message])
            continue
        turned = f"turned by {float(str(view.provenance['rotation_degrees'])):.0f}"
        rows.append([path.name, f"{view.view}, {turned}", ", ".join(view.flags)])
    return rows


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m training.intake_trial.measure", description=__doc__)
    parser.add_argument("--count", type=int, default=200, help="pictures of each kind (default %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="number of the drawn set (default %(default)s)")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS, help="kinds to draw (default all)")
    parser.add_argument("--population", choices=("plain", "wide"), default="plain", help="default %(default)s")
    parser.add_argument("--skeleton", type=Path, help="draw mice with the bones of this folder (docs/phantom.md)")
    parser.add_argument("--pictures", type=Path, help="a folder of real pictures to judge as well")
    parser.add_argument("--declared", choices=("DV", "LAT"), help="their declared view (default none)")
    given = parser.parse_args()
    first = _FIRST_SEED + given.seed * _SETS_APART
    seeds = range(first, first + given.count)
    rows = [row(kind, run_kind(kind, seeds, given.population, given.skeleton)) for kind in given.kinds]
    sys.stdout.write(table(HEADER, rows) + "\n")
    sys.stdout.flush()
    if given.pictures:
        sys.stdout.write("\n" + table(("file", "outcome", "flags or cause"), real(given.pictures, given.declared)))
        sys.stdout.write("\n")


if __name__ == "__main__":
    main()
