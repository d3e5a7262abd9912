"""The contact sheet of a second anatomy: `python -m training.simulation.skeleton.contact_sheet DIR FILE`.

Normal mice in both views and several centres' manners, then one abnormality in each picture.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from training.simulation.anatomy.pose import DV, LAT
from training.simulation.contact_sheet import write_tiles
from training.simulation.imaging.radiograph import Radiograph
from training.simulation.render import render
from training.simulation.skeleton.specimen import FIRST_SEED, make_skeleton_specimen

_SEED: Final = FIRST_SEED + 900_000
_CENTRES: Final = ("JAX", "UC Davis", "WTSI", "CCP-IMG", "RBRC", "MARC")
_SHOWN: Final = (
    ("scoliosis", DV),
    ("kyphosis", LAT),
    ("lordosis", LAT),
    ("tail_kink", DV),
    ("short_tail", DV),
    ("vertebral_fusion", DV),
    ("misshapen_vertebrae", DV),
    ("rib_fusion", DV),
    ("wavy_ribs", DV),
    ("ribcage_shape", DV),
    ("pelvis", DV),
    ("skull_shape", LAT),
)


def write_skeleton_sheet(skeleton: Path, path: Path) -> None:
    """Write the sheet as JPEG; `skeleton` is the folder of the bones."""
    write_tiles(path, _pictures(skeleton))


def _pictures(skeleton: Path) -> Iterator[tuple[Radiograph, str]]:
    for view in (DV, LAT):
        for number, centre in enumerate(_CENTRES):
            specimen = make_skeleton_specimen(skeleton, _SEED + number, centre=centre, abnormal=False)
            yield render(specimen, view, 0, side=900, head_angle=0.0), f"{centre} {view}"
    for number, (kind, view) in enumerate(_SHOWN, len(_CENTRES)):
        specimen = make_skeleton_specimen(skeleton, _SEED + number, centre="CCP-IMG", kinds={kind: 0.8})
        yield render(specimen, view, 0, side=900, head_angle=0.0), f"{kind} {view}"


if __name__ == "__main__":
    write_skeleton_sheet(Path(sys.argv[1]), Path(sys.argv[2]))
