"""`xray push`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer

from services.cli.broker import administrator, publisher
from services.cli.output import JsonOption
from services.cli.push.image import Image, LeftOut
from services.cli.push.journal import Journal, default_folder
from services.cli.push.manifest import read_manifest
from services.cli.push.plan import Given, from_files, from_manifest
from services.cli.push.report import Report
from services.cli.push.upload import Result, Uploader
from services.common.settings import Settings, load
from services.common.store import ObjectStore

app = typer.Typer(add_completion=False, rich_markup_mode="markdown")


@app.command()
def push(
    *,
    centre: Annotated[str, typer.Option(help="Phenotyping centre that the images come from, say JAX.")],
    paths: Annotated[list[Path] | None, typer.Argument(help="Image files, or folders with image files.")] = None,
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

    A second run goes on where the first was stopped. Announcing an image twice does no harm.

    Examples:

        xray push scans/ --centre JAX --dry-run
        xray push scans/ --centre JAX
        xray push --manifest scans/manifest.csv --centre "UC Davis"
        xray push mouse7_DV.png mouse7_LAT.png --centre TCP --specimen 183808

    Then look at the result: xray specimens 183808, xray calls 183808, xray rejections list.
    """
    planned = _plan(Given(centre, specimen, parameter), paths or [], manifest)
    report = Report(as_json=as_json)
    _carry_out(planned, report, parallel=parallel, again=again, dry_run=dry_run)
    if report.failed:
        raise typer.Exit(1)


def _carry_out(
    planned: Iterator[Image | LeftOut], report: Report, *, parallel: int, again: bool, dry_run: bool
) -> None:
    images: list[Image] = []
    for one in planned:
        if isinstance(one, LeftOut):
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


def _plan(given: Given, paths: Sequence[Path], manifest: Path | None) -> Iterator[Image | LeftOut]:
    if manifest is None and not paths:
        raise typer.BadParameter("name files or folders, or give a --manifest", param_hint="PATHS")
    if manifest is None:
        return from_files(paths, given)
    if given.biological_sample_id or given.parameter_stable_id:
        raise typer.BadParameter("the manifest names specimen and parameter of every file", param_hint="--manifest")
    return from_manifest(read_manifest(manifest), paths, given)


def _pushed(settings: Settings, images: Sequence[Image], parallel: int, *, again: bool) -> Iterator[Result]:
    store = ObjectStore(settings, connections=parallel)
    store.check_bucket()
    with administrator(settings) as admin:
        cluster = admin.describe_cluster()["cluster_id"]
    folder = default_folder()
    with publisher(settings) as producer, Journal(folder / f"pushed-{cluster}.jsonl", again=again) as journal:
        yield from Uploader(store, producer, journal).push(images, parallel)
