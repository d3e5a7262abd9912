"""Named points of the batch loop at which `xray chaos` kills or stops a worker.

XRAY_FAULT_POINTS names a folder. A file `STAGE.POINT` in it orders the first worker of that stage to reach the point to
send itself the signal that the file names. In production the variable is absent, and a point does nothing.
"""

import os
import signal
from pathlib import Path
from typing import Final, Literal

VARIABLE: Final = "XRAY_FAULT_POINTS"
_FOLDER: Final = os.environ.get(VARIABLE)
FaultPoint = Literal["before_effects", "between_effects", "after_effects", "after_publish", "after_commit"]
"""`between_effects` exists only in services that handle each record alone: the effects of one record are durable, those
of the others may not be. `after_publish` is before the commit."""


def reached(stage: str, point: FaultPoint) -> None:
    """Obey an order for this point, if there is one; of several workers, exactly one obeys it."""
    if _FOLDER is not None:
        obey(Path(_FOLDER), stage, point)


def obey(folder: Path, stage: str, point: FaultPoint) -> None:
    """Claim the order by renaming its file to `STAGE.POINT.PID`, then send the signal to this process."""
    claimed = folder / f"{stage}.{point}.{os.getpid()}"
    try:
        (folder / f"{stage}.{point}").rename(claimed)
    except FileNotFoundError:
        return
    os.kill(os.getpid(), signal.Signals[claimed.read_text(encoding="ascii")])


def order(folder: Path, stage: str, point: FaultPoint, number: signal.Signals) -> None:
    """Leave an order. The worker that obeys it can be read from `obeyed_by`."""
    partial = folder / f".{stage}.{point}"
    partial.write_text(number.name, encoding="ascii")
    partial.rename(folder / f"{stage}.{point}")


def obeyed_by(folder: Path, stage: str, point: FaultPoint) -> int | None:
    """Return the pid of the worker that has obeyed the order and forget it; None while no worker has."""
    for claimed in folder.glob(f"{stage}.{point}.*"):
        claimed.unlink()
        return int(claimed.name.rpartition(".")[2])
    return None


def withdraw(folder: Path, stage: str, point: FaultPoint) -> None:
    """Take an order back that no worker has obeyed."""
    (folder / f"{stage}.{point}").unlink(missing_ok=True)
