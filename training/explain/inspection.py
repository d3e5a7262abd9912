"""Inspect trained models for the report: measure each one once, and draw the pictures of all of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from training.explain.features import CentreFromFeatures, centre_from_features, draw_maps
from training.explain.heat_maps import HeatStudy, draw_sheets, study
from training.explain.reconstruction import PAPER_MSE, PAPER_SSIM, Reconstruction, draw_rebuilt, reconstruction
from training.explain.run_folder import RunFolder, RunSummary, TrainedBackbone
from training.plots.curves import draw_learning
from training.plots.pictures import draw_histograms
from training.plots.style import assemble, file_name
from training.train.checkpoint import Epoch, recorded_epochs
from training.train.heads import features_of

MAPS: Final = "maps.png"
LEARNING: Final = "learning.png"
RECONSTRUCTION: Final = "reconstruction.png"
HEAT_COLUMNS: Final = 2
HEAT_SCALE: Final = 0.6

OnProgress = Callable[[str], None]
"""Called with what is done next."""


@dataclass(frozen=True)
class InspectedModel:
    """What the inspection of one model found."""

    name: str
    heat: tuple[HeatStudy, ...]
    reconstruction: Reconstruction | None
    centre: CentreFromFeatures | None
    epochs: tuple[Epoch, ...]
    summary: RunSummary | None

    @property
    def heat_picture(self) -> str:
        """File name of its sheet of heat maps: `heat-convnext-small-mv-seed-1.png`."""
        return file_name("heat", self.name)


def inspect_models(
    models: Sequence[tuple[RunFolder, TrainedBackbone]], out: Path, on_progress: OnProgress
) -> list[InspectedModel]:
    """Measure opened models, and write their pictures to the report's folder, one per question.

    Heat maps have one file for each model. `maps.png`, `learning.png` and `reconstruction.png` show all models for
    which there is something to show.
    """
    sheets: dict[str, list[Path]] = {MAPS: [], LEARNING: [], RECONSTRUCTION: []}
    with TemporaryDirectory() as folder:
        inspected = []
        for number, (run, trained) in enumerate(models):
            panels = Path(folder) / str(number)
            panels.mkdir()
            model = _measured(run, trained, on_progress)
            inspected.append(model)
            heat = draw_sheets(trained, panels, on_progress)
            assemble(out / model.heat_picture, heat, columns=HEAT_COLUMNS, scale=HEAT_SCALE)
            for name, drawn in _panels(trained, model, panels).items():
                sheets[name] += drawn
        for name, pictures in sheets.items():
            if pictures:
                assemble(out / name, pictures)
    return inspected


def _measured(run: RunFolder, trained: TrainedBackbone, on_progress: OnProgress) -> InspectedModel:
    name = trained.name
    on_progress(f"predicting the centre from the features of {name}")
    centre = centre_from_features(features_of(trained.backbone, trained.test).values, trained.test.centres)
    on_progress(f"measuring the heat of {name} on altered bones")
    heat = study(trained)
    on_progress(f"measuring the reconstructions of {name}")
    rebuilt = reconstruction(trained.backbone, trained.test)
    epochs = recorded_epochs(run.folder / trained.predictions.origin.model)
    return InspectedModel(name, heat, rebuilt, centre, epochs, run.summary())


def _panels(trained: TrainedBackbone, model: InspectedModel, folder: Path) -> dict[str, list[Path]]:
    """Draw the model's panels of the shared sheets; return their paths by sheet."""
    panels = {MAPS: [folder / MAPS]}
    draw_maps(folder / MAPS, trained)
    if model.epochs:
        panels[LEARNING] = [folder / LEARNING]
        draw_learning(folder / LEARNING, model.epochs, f"Learning curves, {model.name}")
    if model.reconstruction is not None:
        rebuilt = model.reconstruction.rebuilt
        figures = [
            ("Mean squared error", rebuilt.mse, PAPER_MSE[0]),
            ("Structural similarity", rebuilt.ssim, PAPER_SSIM[0]),
        ]
        panels[RECONSTRUCTION] = [folder / "rebuilt.png", folder / "rebuilt-examples.png"]
        histograms, examples = panels[RECONSTRUCTION]
        abnormal = trained.test.labels[:, 0] == 1
        draw_histograms(histograms, figures, abnormal, f"Reconstruction of test specimens, {model.name}")
        draw_rebuilt(examples, trained, rebuilt)
    return panels
