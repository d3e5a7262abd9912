"""`xray push`."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Final

import typer

from services.cli.options import NewCentreOption, require_centres
from services.cli.output import JsonOption

app = typer.Typer(add_completion=False, rich_markup_mode="markdown")

_HELP: Final = r"""
Upload image files to object storage and announce each on the topic xray.images.

The specimen comes from the manifest, else from --specimen, --specimen-from or the DICOM header. The view comes from
the manifest, else from --parameter, the DICOM header or the file name, such as mouse7_DV.png or
183808_skull_lateral.jpg. PNG and JPEG files have no header. A file whose specimen or view is not certain is named and
not pushed; the exit code is then 1. A centre that neither IMPC nor the ledger knows needs --new-centre.

The manifest is a CSV file (comma or semicolon) with the columns file, biological_sample_id and parameter_stable_id,
and optionally increment, acquired_at (ISO 8601), sha256, and what is known of the animal: sample_group (control or
experimental), sex (male or female) and strain_accession_id. `file` is relative to the manifest. --write-manifest
creates one to fill in. With --control every animal is a control (wild type), except those of which the manifest
states another group.

With --dcc the files are submissions in the XML format of IMPC's data coordination centre. They name centre, specimens,
parameters and images. Their observations are stored for training, and a table compares the images received with those
expected of each X-ray procedure. See docs/centres.md.

--wait prints the outcome of each pushed image: called, not called by the models with the reason, rejected with the
reason, or waiting for the other view. The exit code is 1 if any was rejected, and 4 if no news came for --patience
seconds although outcomes are missing.

A run after an interruption continues where the last one stopped. Announcing an image twice does no harm.

Examples:

    xray push scans/ --centre JAX --dry-run
    xray push scans/ --centre JAX --specimen-from '(?P<specimen>\d+)_'
    xray push scans/ --write-manifest scans/manifest.csv
    xray push --manifest scans/manifest.csv --centre "UC Davis"
    xray push mouse7_DV.png mouse7_LAT.png --centre TCP --specimen 183808
    xray push wild-types/ --centre JAX --control
    xray push scans/ --centre JAX --wait
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
_Control = Annotated[bool, typer.Option("--control", help="The animals are controls (wild types); see above.")]
_Parallel = Annotated[int, typer.Option(min=1, max=64, help="Number of uploads at a time.")]
_Again = Annotated[bool, typer.Option("--again", help="Also push images that were pushed before.")]
_DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show what would be pushed, with specimen and view.")]


_Wait = Annotated[
    bool, typer.Option("--wait", help="Follow the pushed images, and print what became of each; see above.")
]
_Patience = Annotated[float, typer.Option(min=1, help="With --wait: give up after this many seconds without news.")]


@app.command(help=_HELP)
def push(
    *,
    paths: _Paths = None,
    centre: _Centre = None,
    new_centre: NewCentreOption = False,
    dcc: _Dcc = False,
    media: _Media = None,
    manifest: _Manifest = None,
    write_manifest: _WriteManifest = None,
    specimen: _Specimen = None,
    specimen_from: _SpecimenFrom = None,
    parameter: _Parameter = None,
    control: _Control = False,
    parallel: _Parallel = 8,
    again: _Again = False,
    dry_run: _DryRun = False,
    wait: _Wait = False,
    patience: _Patience = 120,
    as_json: JsonOption = False,
) -> None:
    """Check the usage, then push; `_HELP` is the help text."""
    by_option = (specimen, specimen_from, parameter)
    if wait:
        _refuse("--wait", "nothing is pushed with --dry-run or --write-manifest", (dry_run or None, write_manifest))
    if dcc:
        _check_dcc(paths, (centre, new_centre or None, *by_option, control or None, manifest, write_manifest))
    elif write_manifest is not None:
        _refuse("--write-manifest", "give either --manifest or --write-manifest", (manifest,))
        _require(paths, "name files or folders")
    else:
        _check_images(paths, centre, manifest, by_option, new_centre=new_centre)
    _check_specimen(specimen, specimen_from)

    from services.cli.push.actions import Push, PushOptions
    from services.ingest.push.plan import PushDefaults

    given = PushDefaults(centre or "", specimen, parameter, specimen_from, control=control)
    options = PushOptions(parallel, again, dry_run=dry_run, patience=patience if wait else None, as_json=as_json)
    action = Push(paths or (), options)
    if dcc:
        action.submissions(media)
    elif write_manifest is not None:
        action.write_manifest(write_manifest, given)
    else:
        action.images(given, manifest)
    raise typer.Exit(action.exit_code)


def _check_specimen(specimen: str | None, specimen_from: re.Pattern[str] | None) -> None:
    if specimen is not None and specimen_from is not None:
        raise typer.BadParameter("give either --specimen or --specimen-from", param_hint="--specimen-from")


def _check_dcc(paths: Sequence[Path] | None, others: Iterable[object]) -> None:
    message = "a submission names centre, specimens and parameters; leave out --centre, --specimen, ..."
    _refuse("--dcc", message, others)
    _require(paths, "name the submissions (XML files)")


def _check_images(
    paths: Sequence[Path] | None,
    centre: str | None,
    manifest: Path | None,
    by_option: Iterable[object],
    *,
    new_centre: bool,
) -> None:
    if centre is None:
        raise typer.BadParameter("name the centre that the images come from", param_hint="--centre")
    if manifest is None:
        _require(paths, "name files or folders, or give a --manifest")
    else:
        _refuse("--manifest", "the manifest names specimen and parameter of every file", by_option)
    require_centres([centre], new=new_centre)


def _refuse(option: str, message: str, others: Iterable[object]) -> None:
    if any(other is not None for other in others):
        raise typer.BadParameter(message, param_hint=option)


def _require(paths: Sequence[Path] | None, message: str) -> None:
    if not paths:
        raise typer.BadParameter(message, param_hint="PATHS")
