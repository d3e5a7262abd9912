"""A complete training run with export: data, training, evaluation and a version of each model."""

from pathlib import Path

from training.evaluation.report import TrainingReport
from training.export.version import export_version, simulated_origin
from training.models.output import ServedBackbone
from training.models.registry import BACKBONES
from training.train.run import TrainingRun


def train_and_export(run: TrainingRun, repository: Path, version: int) -> TrainingReport:
    """Make the run's data, train, evaluate and export every backbone, and write the run's report.

    Raises the errors of `TrainingRun.train` and of `export_version`.
    """
    data = run.make_data()
    golden, digest = data.subsets(run.configuration.input)["test"], data.store.digest()
    judged = {}
    for name in BACKBONES:
        backbone, judged[name] = run.train(name, data)
        difference = export_version(
            ServedBackbone(backbone, judged[name].calibration),
            judged[name],
            golden,
            name=name,
            version=version,
            size=run.configuration.size,
            origin=simulated_origin(name, run.configuration, judged[name], digest, share=run.share),
            repository=repository,
        )
        run.report.message(f"{name}: exported, differs from ONNX Runtime by {difference:.1e}")
    return run.write_report(data, judged)
