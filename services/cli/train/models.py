"""`xray train models` trains the backbones and writes Triton's repository; `xray train export` adapts one to a target.

    xray train models --config small
    xray train extend --config small

Interrupted at any point (Ctrl-C, a crash), the same command continues. See docs/models.md and docs/export.md.
"""

from functools import partial
from pathlib import Path
from typing import Annotated, Final

import typer

from services.cli.train.progress import reporting
from services.common.environment import in_clone
from training.export.targets import REPOSITORY, EnginePrecision, Target
from training.train.configuration import CONFIGURATIONS, RUNS, Accelerator, Configuration

PAGE: Final = Path(__file__).resolve().parents[3] / "docs" / "models.md"
CONTINUES: Final = "stopped; the same command continues from here"

app = typer.Typer(add_completion=False)

ThreadsOption = Annotated[int, typer.Option(min=1, help="Threads of torch.")]
RunsOption = Annotated[Path, typer.Option(help="Folder of runs and training sets.")]
AcceleratorOption = Annotated[Accelerator, typer.Option(help="What trains; auto is a GPU if there is one.")]
RepositoryOption = Annotated[
    Path | None,
    typer.Option(
        help="Triton's model repository to write to.",
        show_default="model_repository; the run's own for a share, or with another's training set",
    ),
]
ShareOption = Annotated[
    float, typer.Option(min=0.01, max=1, help="Share of the training specimens to use, to measure what more would add.")
]


def find_configuration(name: str) -> Configuration:
    """Return the configuration of a name; raises BadParameter for an unknown one."""
    if name not in CONFIGURATIONS:
        msg = f"{name!r} is not one of {', '.join(CONFIGURATIONS)}"
        raise typer.BadParameter(msg, param_hint="--config")
    return CONFIGURATIONS[name]


@app.command()
def train(
    *,
    config: Annotated[str, typer.Option(help=f"One of {', '.join(CONFIGURATIONS)}.")] = "small",
    folder: RunsOption = RUNS,
    repository: RepositoryOption = None,
    version: Annotated[int, typer.Option(min=1, help="Version of the models to write or replace.")] = 1,
    share: ShareOption = 1.0,
    threads: ThreadsOption = 2,
    accelerator: AcceleratorOption = "auto",
    devices: Annotated[int, typer.Option(min=1, help="Number of devices; each takes a share of every batch.")] = 1,
    workers: Annotated[int, typer.Option(min=0, help="Processes that read batches ahead, or draw them.")] = 0,
    minutes: Annotated[
        float | None,
        typer.Option(
            min=0.1, help="Most minutes that each backbone trains; for configurations that draw as they train."
        ),
    ] = None,
) -> None:
    """Make the training set, train all backbones, evaluate them and write Triton's model repository."""
    configuration = find_configuration(config)
    if minutes is not None and not configuration.streamed:
        msg = f"{config} trains on stored specimens for a number of epochs, so it cannot be limited in time"
        raise typer.BadParameter(msg, param_hint="--minutes")
    own = folder / config if share == 1 else folder / config / f"share-{share:g}"
    serves = share == 1 and configuration.serves
    target = repository or (REPOSITORY if serves else own / REPOSITORY.name)
    with reporting(CONTINUES) as report:
        from training.evaluation.run import as_markdown, update_page
        from training.export.version import train_and_export
        from training.train.hardware import Hardware, prepare_process
        from training.train.run import TrainingRun

        prepare_process(threads)
        hardware = Hardware(accelerator, devices, workers)
        run = TrainingRun(configuration, own, folder, hardware, share, report, minutes)
        figures = train_and_export(run, target, version)
        if target == REPOSITORY and in_clone():
            update_page(PAGE, figures)
        report.message(as_markdown(figures))


def landmarks(
    pictures: Annotated[Path, typer.Argument(help="Folder of DV pictures, each with a .txt file of YOLO boxes.")],
    *,
    config: Annotated[str, typer.Option(help="Configuration of the trained run.")] = "wide",
    folder: RunsOption = RUNS,
) -> None:
    """Compare the vertebrae that each trained backbone finds with annotated ones (docs/evaluation.md)."""
    configuration = find_configuration(config)
    if not configuration.streamed:
        raise typer.BadParameter(f"the backbones of {config} find no landmarks", param_hint="--config")
    with reporting("stopped; run it again") as report:
        from training.landmarks.evaluate import as_text, evaluate_folder
        from training.models.registry import BACKBONES
        from training.train.run import TrainingRun

        run = TrainingRun(configuration, folder / config, folder)
        for name in BACKBONES:
            results = evaluate_folder(run.trained_multiview(name), pictures, configuration.side)
            report.message(f"{name}\n{as_text(results)}")


def export(
    output: Annotated[Path, typer.Argument(help="Folder to write the model repository to.")],
    *,
    target: Annotated[Target, typer.Option(help="What will serve it.")],
    repository: Annotated[Path, typer.Option(help="Model repository to read.")] = REPOSITORY,
    precision: Annotated[EnginePrecision, typer.Option(help="Of the weights; fp16 is for tensorrt.")] = "fp32",
) -> None:
    """Write a model repository for another target; for tensorrt the plan is then built on the GPU (docs/export.md)."""
    with reporting("stopped; no incomplete version serves: run it again") as report:
        from training.export.retarget import retarget

        for version in retarget(repository, target, output, precision):
            difference = f"differs from 32 bits by {version.difference:.1e} on golden inputs"
            report.message(f"{version.model} {version.version}: {difference}")
        if target == "tensorrt":
            report.message("there is no plan yet: build it on the GPU that serves, see docs/export.md")


def extend(
    *,
    config: Annotated[
        str, typer.Option(help="Configuration whose training set the versions were trained on.")
    ] = "small",
    folder: RunsOption = RUNS,
    repository: Annotated[Path, typer.Option(help="Model repository whose newest versions to export.")] = REPOSITORY,
    threads: ThreadsOption = 2,
) -> None:
    """Export a repository's newest versions again, with the outputs of the decision layer; nothing is trained."""
    configuration = find_configuration(config)
    with reporting(CONTINUES) as report:
        from training.export.extend import extend as extend_versions
        from training.export.extend import make_specimens
        from training.train.hardware import prepare_process
        from training.train.run import training_recipe

        prepare_process(threads)
        progress = partial(report.progress, "simulating specimens")
        train, validation = make_specimens(
            configuration.data_folder(folder) / "data", training_recipe(configuration), progress
        )
        for card in extend_versions(repository, train, validation, report.message):
            report.message(f"{card.model} {card.version}: {', '.join(card.outputs)}")
