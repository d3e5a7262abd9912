"""`xray push`."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import typer

from services.cli.output import JsonOption
from services.cli.push.report import PushReport
from services.common.settings import Settings, load
from services.ingest.dcc.receipts import SubmissionReceipts
from services.ingest.dcc.run import media_lookup, read_batch, store_submissions
from services.ingest.push.image import PushImage, SkippedFile
from services.ingest.push.manifest import create_manifest, read_manifest
from services.ingest.push.plan import PushDefaults, from_files, from_manifest, manifest_rows
from services.ingest.push.upload import connect

app = typer.Typer(add_completion=False, rich_markup_mode="markdown")

_HELP: Final = r"""
Upload image files to object storage and announce each on the topic xray.images.

The specimen comes from the manifest, else from --specimen, --specimen-from or the DICOM header. The view comes from
the manifest, else from --parameter, the DICOM header or the file name, such as mouse7_DV.png or
183808_skull_lateral.jpg. PNG and JPEG files have no header. A file whose specimen or view is not certain is named and
not pushed; the exit code is then 1.

The manifest is a CSV file (comma or semicolon) with the columns file, biological_sample_id and parameter_stable_id,
and optionally increment, acquired_at (ISO 8601) and sha256. `file` is relative to the manifest. --write-manifest
creates one to fill in.

With --dcc the files are submissions in the XML format of IMPC's data coordination centre. They name centre, specimens,
parameters and images. Their observations are stored for training, and a table compares the images received with those
expected of each X-ray procedure. See docs/centres.md.

A run after an interruption continues where the last one stopped. Announcing an image twice does no harm.

Examples:

    xray push scans/ --centre JAX --dry-run
    xray push scans/ --centre JAX --specimen-from '(?P<specimen>\d+)_'
    xray push scans/ --write-manifest scans/manifest.csv
    xray push --manifest scans/manifest.csv --centre "UC Davis"
    xray push mouse7_DV.png mouse7_LAT.png --centre TCP --specimen 183808
    xray push --dcc 2024-05-02.experiment.xml --media /data/xrays --dry-run

Then look at the result:

    xray specimens 183808
    xray calls 183808
    xray rejections list
"""


def _specimen_pattern(text: str) -> re.Pattern[str]:
    try:
        pattern = re.compile(text)
    except re.error as error:
        message = f"{text!r} is not a regular expression: {error}"
        raise typer.BadParameter(message) from error
    if "specimen" not in pattern.groupindex:
        message = rf"{text!r} has no group named specimen; write one such as '(?P<specimen>\d+)_'"
        raise typer.BadParameter(message)
    return pattern


_Paths = Annotated[list[Path] | None, typer.Argument(help="Image files or folders; with --dcc, submissions.")]
_Centre = Annotated[
    str | None, typer.Option(help="Phenotyping centre that the images come from, such as JAX; not with --dcc.")
]
_Dcc = Annotated[bool, typer.Option("--dcc", help="PATHS are submissions to the DCC (XML); see above.")]
_Media = Annotated[
    Path | None,
    typer.Option(exists=True, file_okay=False, help="With --dcc: folder of the images. [default: that of the XML]"),
]
_Manifest = Annotated[
    Path | None, typer.Option(exists=True, dir_okay=False, help="CSV with specimen and view of each file; see above.")
]
_WriteManifest = Annotated[
    Path | None,
    typer.Option(dir_okay=False, help="Push nothing; write a manifest with one row per image file to this new file."),
]
_Specimen = Annotated[str | None, typer.Option(help="biological_sample_id of all these files.")]
_SpecimenFrom = Annotated[
    re.Pattern[str] | None,
    typer.Option(
        parser=_specimen_pattern,
        metavar="REGEX",
        help="Regular expression that is searched in each file name; its group `specimen` is the biological_sample_id.",
    ),
]
_Parameter = Annotated[str | None, typer.Option(help="Image parameter of all files, such as IMPC_XRY_034_001.")]
_Parallel = Annotated[int, typer.Option(min=1, max=64, help="Number of uploads at a time.")]
_Again = Annotated[bool, typer.Option("--again", help="Also push images that were pushed before.")]
_DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show what would be pushed, with specimen and view.")]


@dataclass(frozen=True)
class _Mode:
    parallel: int
    again: bool
    dry_run: bool


@app.command(help=_HELP)
def push(
    *,
    paths: _Paths = None,
    centre: _Centre = None,
    dcc: _Dcc = False,
    media: _Media = None,
    manifest: _Manifest = None,
    write_manifest: _WriteManifest = None,
    specimen: _Specimen = None,
    specimen_from: _SpecimenFrom = None,
    parameter: _Parameter = None,
    parallel: _Parallel = 8,
    again: _Again = False,
    dry_run: _DryRun = False,
    as_json: JsonOption = False,
) -> None:
    """Check the usage, then push; `_HELP` is the help text."""
    report, mode = PushReport(as_json=as_json), _Mode(parallel, again, dry_run)
    if specimen is not None and specimen_from is not None:
        raise typer.BadParameter("give either --specimen or --specimen-from", param_hint="--specimen-from")
    if dcc:
        _refuse(
            "--dcc",
            "a submission names centre, specimens and parameters; leave out --centre, --specimen, ...",
            (centre, specimen, specimen_from, parameter, manifest, write_manifest),
        )
        _push_submissions(_named(paths, "name the submissions (XML files)"), media, mode, report)
    elif write_manifest is not None:
        _refuse("--write-manifest", "give either --manifest or --write-manifest", (manifest,))
        given = PushDefaults(centre or "", specimen, parameter, specimen_from)
        _write_manifest(write_manifest, _named(paths, "name files or folders"), given, report)
    elif centre is None:
        raise typer.BadParameter("name the centre that the images come from", param_hint="--centre")
    else:
        given = PushDefaults(centre, specimen, parameter, specimen_from)
        _push_images(_plan(given, paths, manifest, report), mode, report)
    if report.failed:
        raise typer.Exit(1)


def _refuse(option: str, message: str, others: Iterable[object]) -> None:
    if any(other is not None for other in others):
        raise typer.BadParameter(message, param_hint=option)


def _named(paths: Sequence[Path] | None, message: str) -> Sequence[Path]:
    if not paths:
        raise typer.BadParameter(message, param_hint="PATHS")
    return paths


def _plan(
    given: PushDefaults, paths: Sequence[Path] | None, manifest: Path | None, report: PushReport
) -> Iterator[PushImage | SkippedFile]:
    if manifest is None:
        return from_files(_named(paths, "name files or folders, or give a --manifest"), given)
    message = "the manifest names specimen and parameter of every file"
    _refuse("--manifest", message, (given.biological_sample_id, given.specimen_pattern, given.parameter_stable_id))
    found = read_manifest(manifest)
    if found.unused_columns:
        report.remark(f"warning: {manifest}: these columns are not used: {', '.join(found.unused_columns)}")
    return from_manifest(found.rows, paths or [], given)


def _push_images(planned: Iterable[PushImage | SkippedFile], mode: _Mode, report: PushReport) -> None:
    images: list[PushImage] = []
    for one in planned:
        if isinstance(one, SkippedFile):
            report.skipped(one)
        else:
            images.append(one)
    if mode.dry_run or not images:
        for image in images:
            report.planned(image)
        report.summary(len(images))
        return
    # Connect outside of `try`: if a server is away, that is the whole message.
    with connect(load(Settings), mode.parallel, again=mode.again) as connection:
        try:
            report.follow(connection.uploader.push(images, mode.parallel), len(images))
        finally:
            report.summary(len(images))


def _push_submissions(paths: Sequence[Path], media: Path | None, mode: _Mode, report: PushReport) -> None:
    with media_lookup(media, mode.parallel) as lookup:
        batch = read_batch(paths, lookup)
        for one in batch.skipped:
            report.skipped(one)
        for remark in batch.remarks:
            report.remark(remark)
        receipts = SubmissionReceipts(batch.submissions)
        if mode.dry_run or not batch.submissions:
            for image in batch.images:
                report.planned(image)
                receipts.record(image)
            report.receipts(receipts.receipts())
            report.summary(len(batch.images))
            return
        with connect(load(Settings), mode.parallel, again=mode.again) as connection:
            try:
                for stored in store_submissions(batch, connection.store):
                    report.stored(stored)
                results = connection.uploader.push(batch.images, mode.parallel)
                report.follow(receipts.recording(results), len(batch.images))
            finally:
                report.receipts(receipts.receipts())
                report.summary(len(batch.images))


def _write_manifest(target: Path, paths: Sequence[Path], given: PushDefaults, report: PushReport) -> None:
    rows: list[tuple[Path, str | None, str | None]] = []
    for one in manifest_rows(paths, given):
        if isinstance(one, SkippedFile):
            report.skipped(one)
        else:
            rows.append(one)
    if rows:
        create_manifest(target, rows)
        report.manifest_written(target, len(rows))
    else:
        report.summary(0)
