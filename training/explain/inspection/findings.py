"""Everything that the report says about the inside of one model, computed and drawn once."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from training.explain.features.centre import CentreFromFeatures, centre_from_features
from training.explain.features.maps import draw_maps
from training.explain.heat.sheets import draw_sheets
from training.explain.heat.study import HeatStudy, study
from training.explain.inspection.run import Clock, RunFolder
from training.explain.inspection.trained import Trained
from training.explain.reconstruction.examples import draw_rebuilt
from training.explain.reconstruction.measure import PAPER_MSE, PAPER_SSIM, Reconstruction, reconstruction
from training.report.epochs import recorded_epochs
from training.report.plots.learning import draw_learning
from training.report.plots.reconstruction import draw_histograms
from training.train.body import features_of
from training.train.checkpoint import Epoch

Tell = Callable[[str], None]
"""Told what is done next."""


@dataclass(frozen=True)
class Opened:
    """One model from the inside; `sheets` are the labels that have a sheet of heat."""

    name: str
    heat: tuple[HeatStudy, ...]
    sheets: tuple[str, ...]
    reconstruction: Reconstruction | None
    centre: CentreFromFeatures | None
    epochs: tuple[Epoch, ...]
    clock: Clock | None

    def picture(self, kind: str) -> str:
        """File name of one of its pictures: `heat-spine-convnext-demo-mv-seed-1.png`."""
        return picture_name(kind, self.name)


def picture_name(kind: str, name: str) -> str:
    """File name of a picture of the named run."""
    return f"{re.sub(r'[^a-z0-9.]+', '-', f'{kind}-{name}'.lower())}.png"


def look_inside(run: RunFolder, trained: Trained, out: Path, tell: Tell) -> Opened:
    """Measure an opened model of a run, and write its pictures into the report's folder."""
    name = trained.name
    tell(f"centre from the features of {name}")
    centre = centre_from_features(features_of(trained.backbone, trained.test).values, trained.test.centres)
    tell(f"heat of {name} on altered bones")
    heat = study(trained)
    sheets = draw_sheets(
        trained, lambda label: out / picture_name(f"heat-{label}", name), lambda file: tell(f"drawing {file}")
    )
    draw_maps(out / picture_name("maps", name), trained)
    epochs = recorded_epochs(run.folder / trained.predictions.origin.model)
    if epochs:
        draw_learning(out / picture_name("learning", name), epochs, f"Learning curves, {name}")
    tell(f"reconstructions of {name}")
    return Opened(name, heat, tuple(sheets), _rebuilt(trained, out), centre, epochs, run.clock())


def _rebuilt(trained: Trained, out: Path) -> Reconstruction | None:
    found = reconstruction(trained.backbone, trained.test)
    if found is not None:
        figures = [
            ("Mean squared error", found.rebuilt.mse, PAPER_MSE[0]),
            ("Structural similarity", found.rebuilt.ssim, PAPER_SSIM[0]),
        ]
        abnormal = trained.test.labels[:, 0] == 1
        title = f"Reconstruction of test specimens, {trained.name}"
        draw_histograms(out / picture_name("rebuilt", trained.name), figures, abnormal, title)
        draw_rebuilt(out / picture_name("rebuilt-examples", trained.name), trained, found.rebuilt)
    return found
