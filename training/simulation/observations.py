"""Writes the table of observations in docs/phantom.md: `python -m training.simulation.observations`.

The table lists which of the 53 observations the simulated mice can have, and in which views each is visible.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Final

import numpy as np

from services.common.observations import Observation, table
from training.simulation.abnormalities.catalogue import CATALOGUE, apply
from training.simulation.abnormalities.finding import parameter_id
from training.simulation.anatomy.plan import BodyPlan, normal_plan
from training.simulation.anatomy.pose import DV, LAT

BOTH: Final = (DV, LAT)
_SEEDS: Final = 60
"""Enough to draw every region and side of each kind."""


@dataclass(frozen=True, slots=True)
class Shown:
    """Views in which an observation is visible (none if it is not drawn), and a remark on what makes it hard to see."""

    views: tuple[str, ...]
    remark: str = ""


_COUNT: Final = "visible only by counting"
_SMALL: Final = "the paw is 15 mm long: best seen in a close-up"
_HIDDEN: Final = "hidden behind the other side in LAT"
_SHOWN: Final[Mapping[str, Shown]] = MappingProxyType(
    {
        "001": Shown(BOTH),
        "002": Shown((DV,), _HIDDEN),
        "003": Shown(BOTH, "bent in DV, short in both"),
        "004": Shown(BOTH, "clearer in LAT"),
        "005": Shown(BOTH, "clearer in LAT"),
        "006": Shown(BOTH, "clearer in DV"),
        "007": Shown(BOTH, "0.4 mm thick, in front of the shoulder: a faint line"),
        "008": Shown((DV,), f"{_COUNT}; {_HIDDEN}"),
        "009": Shown((DV,), f"{_COUNT}; {_HIDDEN}"),
        "010": Shown(BOTH),
        "011": Shown(BOTH),
        "012": Shown(BOTH),
        "013": Shown(BOTH, f"{_COUNT}: one vertebra is 1.2 mm long"),
        "014": Shown(BOTH, f"{_COUNT}; its ribs change too"),
        "015": Shown(BOTH, _COUNT),
        "016": Shown(BOTH, f"{_COUNT}; between the hip bones"),
        "017": Shown(BOTH, "the tail is short"),
        "018": Shown(BOTH),
        "019": Shown(BOTH),
        "020": Shown(BOTH, "transverse processes in DV, spinous processes in LAT"),
        "021": Shown(BOTH),
        "022": Shown(BOTH),
        "023": Shown(BOTH),
        "024": Shown(BOTH),
        "025": Shown(BOTH),
        "026": Shown(BOTH, "0.4 mm thick"),
        "027": Shown(BOTH),
        "028": Shown(BOTH, _SMALL),
        "029": Shown(BOTH, _SMALL),
        "030": Shown(BOTH, _SMALL),
        "031": Shown(BOTH, _SMALL),
        "033": Shown(BOTH, "needs a reference length from the centre"),
        "054": Shown((), "free text: its labels follow from the term sent with it"),
        "055": Shown(BOTH, "scoliosis in DV, kyphosis and lordosis in LAT"),
        "056": Shown((DV,), "a lateral bend"),
        "057": Shown((LAT,), "a dorsal bend; foreshortened in DV"),
        "058": Shown((LAT,), "a ventral bend; foreshortened in DV"),
        "059": Shown(BOTH, "width in DV, depth in LAT"),
        "060": Shown(BOTH, "clearer in DV: wings that reach the ilium"),
        "061": Shown(BOTH, "clearer in LAT; a dense midline in DV"),
        "062": Shown(BOTH, _SMALL),
        "063": Shown(BOTH, "the processes are 1 mm long"),
        "064": Shown(BOTH, "among the ribs in DV"),
        "065": Shown(BOTH),
        "066": Shown(BOTH, "between the hip bones"),
        "067": Shown(BOTH),
        "068": Shown((DV,), f"below the shoulder; {_HIDDEN}"),
        "069": Shown(BOTH),
        "070": Shown(BOTH),
        "071": Shown(BOTH),
        "072": Shown(BOTH),
        "073": Shown(BOTH, "between the hip bones; the tail turns"),
        "074": Shown(BOTH),
    }
)
SHOWN: Final[Mapping[str, Shown]] = MappingProxyType({parameter_id(n): shown for n, shown in _SHOWN.items()})
"""By parameter stable id, one for each row of the label table."""


@cache
def drawn_by() -> Mapping[str, tuple[str, ...]]:
    """Kinds that can make each observation abnormal, by parameter stable id; determined by drawing examples."""
    found: dict[str, list[str]] = {}
    for kind in CATALOGUE:
        drawn = {i for seed in range(_SEEDS) for i in apply(_usual_plan(), kind, 0.7, seed).parameter_ids}
        for identifier in sorted(drawn):
            found.setdefault(identifier, []).append(kind)
    return MappingProxyType({identifier: tuple(kinds) for identifier, kinds in found.items()})


def _usual_plan() -> BodyPlan:
    return normal_plan(np.random.default_rng(0), "female")


PAGE: Final = Path(__file__).parents[2] / "docs" / "phantom.md"
BEGIN: Final = "<!-- observations: written by python -m training.simulation.observations -->"
END: Final = "<!-- end of observations -->"


def with_table(page: str) -> str:
    """Return the page with a new table between its two markers."""
    head, rest = page.split(BEGIN)
    tail = rest.split(END)[1]
    drawn = sum(row.parameter_stable_id in drawn_by() for row in table())
    rows = [
        f"{drawn} of {len(table())} rows are drawn.",
        "",
        "| observation | name | labels | drawn by | shows in | remark |",
        "|---|---|---|---|---|---|",
        *map(_row, table()),
    ]
    return "\n".join([head + BEGIN, *rows, END + tail])


def _row(row: Observation) -> str:
    shown = SHOWN[row.parameter_stable_id]
    kinds = ", ".join(kind.replace("_", " ") for kind in drawn_by().get(row.parameter_stable_id, ())) or "not drawn"
    labels = f"{row.level2}: {row.level3}" if row.level2 else "by its term"
    views = {2: "both", 1: "".join(shown.views), 0: "-"}[len(shown.views)]
    number = row.parameter_stable_id.split("_")[2]
    return f"| {number} | {row.name} | {labels} | {kinds} | {views} | {shown.remark} |"


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
