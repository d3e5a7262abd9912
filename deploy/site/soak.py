"""Draw docs/assets/soak.png from docs/results/soak.csv, the samples of `xray soak`: `python -m deploy.site.soak`."""

import csv
from pathlib import Path
from typing import Final

from matplotlib.axes import Axes

from training.plots.style import colour, drawing

SAMPLES: Final = Path(__file__).parents[2] / "docs" / "results" / "soak.csv"
PICTURE: Final = Path(__file__).parents[2] / "docs" / "assets" / "soak.png"
_MEGABYTE: Final = 1e6
_ROOM_FOR_LEGEND: Final = 5

Samples = list[dict[str, float]]


def draw(samples: Samples, path: Path) -> None:
    """Memory per process, disk per server and calls, each over the specimens announced or over time."""
    with drawing(path, f"{samples[-1]['announced']:,.0f} specimens through the local system", 3, (16, 5.6)) as axes:
        _lines(axes[0], samples, "resident ")
        axes[0].set(title="Memory of each process", ylabel="MB, resident", yscale="log")
        axes[0].set_ylim(top=_ROOM_FOR_LEGEND * axes[0].get_ylim()[1])
        _lines(axes[1], samples, "disk ")
        axes[1].set(title="Disk of each server", ylabel="MB")
        minutes = [one["seconds"] / 60 for one in samples]
        axes[2].plot(minutes, [one["called"] / 1000 for one in samples], color=colour(0))
        axes[2].set(title="Specimens with a call", xlabel="minutes", ylabel="thousands")


def _lines(axis: Axes, samples: Samples, prefix: str) -> None:
    sent = [one["announced"] / 1000 for one in samples]
    names = [name for name in samples[0] if name.startswith(prefix)]
    for index, name in enumerate(names):
        axis.plot(
            sent,
            [one[name] / _MEGABYTE for one in samples],
            color=colour(index),
            linestyle="-" if index < 7 else "--",
            label=name.removeprefix(prefix),
        )
    axis.set_xlabel("specimens announced, thousands")
    axis.legend(ncols=2)


def read(path: Path) -> Samples:
    """Read the samples, one dictionary per row."""
    with path.open(encoding="utf-8", newline="") as file:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]


if __name__ == "__main__":
    draw(read(SAMPLES), PICTURE)
