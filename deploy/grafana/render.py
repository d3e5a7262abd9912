"""`python -m deploy.grafana.render [--specimens N] [--times N]`: pictures of the dashboards for docs/dashboards.md.

Not screenshots of Grafana: the same panels, drawn by matplotlib from the answers of a real Prometheus that scraped a
real run.
"""

from __future__ import annotations

import argparse
import io
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from matplotlib.figure import Figure
from PIL import Image

from deploy.grafana.draw import draw_panel
from deploy.grafana.observed import ObservedRun, observed
from deploy.grafana.screen import COLUMNS, PanelKind, PanelRow, Screen
from deploy.grafana.screens import SCREENS
from deploy.local.stack import Stack

IMAGES: Final = Path(__file__).parents[2] / "docs" / "images"
_WIDTH_INCHES: Final = 16.0
_DPI: Final = 90
_HEADING, _NUMBERS, _PANEL = 0.45, 1.25, 3.1
"""Heights in inches."""


def picture(screen: Screen, run: ObservedRun, path: Path) -> None:
    """Draw one dashboard into a PNG of at most 64 colours."""
    strips: list[PanelRow | str] = []
    for row in screen.rows:
        strips += [row.title, *_strips(row)]
    heights = [_height(strip) for strip in strips]
    figure = Figure((_WIDTH_INCHES, sum(heights)), layout="constrained", facecolor="#f4f5f5")
    grid = figure.add_gridspec(len(strips), 1, height_ratios=heights)
    for number, strip in enumerate(strips):
        part = figure.add_subfigure(grid[number])
        part.set_facecolor("#f4f5f5")
        if isinstance(strip, str):
            part.text(0.008, 0.3, strip, size=13, weight="bold")
            continue
        axes = part.subplots(1, len(strip.panels), width_ratios=[panel.width for panel in strip.panels], squeeze=False)
        for axis, panel in zip(axes[0], strip.panels, strict=True):
            draw_panel(axis, panel, run)
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=_DPI)
    Image.open(drawn).convert("RGB").quantize(64, dither=Image.Dither.NONE).save(path, optimize=True)


def _strips(row: PanelRow) -> list[PanelRow]:
    """Cut a row where Grafana breaks it: when its grid is full."""
    strips: list[PanelRow] = []
    taken = COLUMNS
    for panel in row.panels:
        if taken + panel.width > COLUMNS:
            strips.append(PanelRow(row.title, ()))
            taken = 0
        strips[-1] = PanelRow(row.title, (*strips[-1].panels, panel))
        taken += panel.width
    return strips


def _height(strip: PanelRow | str) -> float:
    if isinstance(strip, str):
        return _HEADING
    return _NUMBERS if all(panel.kind is PanelKind.NUMBERS for panel in strip.panels) else _PANEL


def main(arguments: Sequence[str]) -> int:
    """Run the system on servers of its own and draw every dashboard."""
    parser = argparse.ArgumentParser(prog="python -m deploy.grafana.render", description=__doc__)
    parser.add_argument("--specimens", type=int, default=40, help="simulated mice in a submission (40)")
    parser.add_argument("--times", type=int, default=3, help="submissions (3)")
    parser.add_argument("--folder", type=Path, default=IMAGES, help="where the pictures go (docs/images)")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name:
        stack = Stack(Path(name) / "stack", tied=True)
        try:
            stack.up()
            with observed(stack, Path(name), options.specimens, options.times) as run:
                for screen in SCREENS:
                    picture(screen, run, options.folder / f"dashboard-{screen.title.lower()}.png")
        finally:
            stack.down()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
