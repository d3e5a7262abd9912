"""`xray push`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer

from services.cli.output import JsonOption
from services.cli.push.report import PushReport
from services.common.settings import Settings, load
from services.ingest.dcc.run import SubmissionPushOptions, push_submissions
from services.ingest.push.image import PushImage, SkippedFile
from services.ingest.push.plan import PushDefaults, from_files, from_manifest, read_manifest
from services.ingest.push.upload import PushResult, session

app = typer.Typer(add_completion=False, rich_markup_mode="markdown")


@app.command()
def push(
    *,
    paths: Annotated[list[Path] | None, typer.Argument(help="Image files or folders; with --dcc, submissions.")] = None,
    centre: Annotated[
        str | None, typer.Option(help="Phenotyping centre that the images come from, say JAX; not with --dcc.")
    ] = None,
    dcc: Annotated[bool, typer.Option("--dcc", help="PATHS are submissions to the DCC (XML), see above.")] = False,
    media: Annotated[
        Path | None,
        typer.Option(exists=True, file_okay=False, help="With --dcc: folder of the pictures, if not that of the XML."),
    ] = None,
    manifest: Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="CSV, see above.")] = None,
    specimen: Annotated[str | None, typer.Option(help="biological_sample_id of all these files.")] = None,
    parameter: Annotated[str | None, typer.Option(help="Image parameter of all, say IMPC_XRY_034_001.")] = None,
    parallel: Annotated[int, typer.Option(min=1, max=64, help="Uploads in flight.")] = 8,
    again: Annotated[bool, typer.Option("--again", help="Push also what was pushed before.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be pushed as what.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Upload image files to object storage and announce each on the topic xray.images.

    Specimen and view come from the manifest, else from --specimen and --parameter, else from the DICOM header, else
    (the view only) from the file's name, say mouse7_DV.png or 183808_skull_lateral.jpg. A file for which they are not
    certain is left out and named; exit code 1.

    The manifest is a CSV file with the columns file, biological_sample_id, parameter_stable_id and optionally
    increment, acquired_at (ISO 8601), sha256; `file` is relative to the manifest.

    With --dcc the files are submissions as centres send them to IMPC's data coordination centre: centre, specimens,
    parameters and pictures are taken from the XML, its observations are kept for training, and what was received is
    set against what each X-ray procedure should have. See docs/centres.md.

    A second run goes on where the first was stopped. Announcing an image twice does no harm.

    Examples:

        xray push scans/ --centre JAX --dry-run
        xray push scans/ --centre JAX
        xray push --manifest scans/manifest.csv --centre "UC Davis"
        xray push mouse7_DV.png mouse7_LAT.png --centre TCP --specimen 183808
        xray push --dcc 2024-05-02.experiment.xml --media /data/xrays --dry-run

    Then look at the result: xray specimens 183808, xray calls 183808, xray rejections list.
    """
    report = PushReport(as_json=as_json)
    if dcc:
        _refuse_statements(centre, specimen, parameter, manifest)
        options = SubmissionPushOptions(media, parallel, again=again, dry_run=dry_run, as_json=as_json)
        push_submissions(_named(paths, "name the submissions (XML files)"), options, report)
    else:
        planned = _plan(centre, specimen, parameter, paths or [], manifest)
        _carry_out(planned, report, parallel=parallel, again=again, dry_run=dry_run)
    if report.failed:
        raise typer.Exit(1)


def _carry_out(
    planned: Iterator[PushImage | SkippedFile], report: PushReport, *, parallel: int, again: bool, dry_run: bool
) -> None:
    images: list[PushImage] = []
    for one in planned:
        if isinstance(one, SkippedFile):
            report.left_out(one)
        else:
            images.append(one)
    if dry_run:
        for image in images:
            report.planned(image)
        return
    try:
        if images:
            report.follow(_pushed(load(Settings), images, parallel, again=again), len(images))
    finally:
        report.summary()


def _plan(
    centre: str | None, specimen: str | None, parameter: str | None, paths: Sequence[Path], manifest: Path | None
) -> Iterator[PushImage | SkippedFile]:
    if centre is None:
        raise typer.BadParameter("say which centre the images come from", param_hint="--centre")
    given = PushDefaults(centre, specimen, parameter)
    if manifest is None:
        return from_files(_named(paths, "name files or folders, or give a --manifest"), given)
    if specimen or parameter:
        raise typer.BadParameter("the manifest names specimen and parameter of every file", param_hint="--manifest")
    return from_manifest(read_manifest(manifest), paths, given)


def _named(paths: Sequence[Path] | None, otherwise: str) -> Sequence[Path]:
    if not paths:
        raise typer.BadParameter(otherwise, param_hint="PATHS")
    return paths


def _refuse_statements(*statements: object) -> None:
    if any(statement is not None for statement in statements):
        words = "a submission itself names centre, specimens and parameters; leave out --centre, --specimen, ..."
        raise typer.BadParameter(words, param_hint="--dcc")


def _pushed(settings: Settings, images: Sequence[PushImage], parallel: int, *, again: bool) -> Iterator[PushResult]:
    with session(settings, parallel, again=again) as run:
        yield from run.uploader.push(images, parallel)
