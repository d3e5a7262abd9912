"""`xray calls` and `xray calls export`: the arguments; `listing` and `export` do the work."""

from pathlib import Path
from typing import Annotated, Final

import typer

from services.cli.groups import DefaultCommandGroup
from services.cli.options import SinceOption
from services.cli.output import FullOption, JsonOption

_DEFAULT: Final = "list"
Centre = Annotated[str | None, typer.Option(help="Only calls of this centre.")]
Abnormal = Annotated[bool, typer.Option("--abnormal", help="Only specimens called abnormal.")]


class CallsGroup(DefaultCommandGroup):
    """`xray calls ...` is `xray calls list ...`."""

    default_command = _DEFAULT


app = typer.Typer(cls=CallsGroup, add_completion=False)


@app.command(_DEFAULT)
def calls(
    *,
    specimen: Annotated[
        str | None,
        typer.Argument(metavar="SPECIMEN", help="Show its call and its lineage; takes the same ids as `xray trace`."),
    ] = None,
    centre: Centre = None,
    since: SinceOption = None,
    abnormal: Abnormal = False,
    abstained: Annotated[
        bool, typer.Option("--abstained", help="List the specimens that the models did not call instead.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, help="Most calls to list.")] = 50,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Print new calls as they arrive, until Ctrl-C.")
    ] = False,
    full: FullOption = False,
    as_json: JsonOption = False,
) -> None:
    """List the current phenotype call of every specimen, the newest first.

    With a specimen: its call, the probability of every label by every model, and the lineage (images, views, tensor,
    models, times). `images` is the number of images that a call is based on; a late image leads to a new call.
    `uncertain` lists the labels whose probability is close to the threshold. --abstained lists the specimens that were
    not called, with the reasons. --json prints one document per call.

    `xray calls export FILE` writes all calls to a Parquet or CSV file; see `xray calls export --help`.

    Examples:

        xray calls --abnormal --centre JAX --since 1d
        xray calls 183808
        xray calls --follow --json | jq -c '[.biological_sample_id, .vector]'
        xray calls export calls.parquet --abnormal
    """
    from services.cli.calls import listing

    if specimen is not None:
        listing.show_one(specimen, full=full, as_json=as_json)
    elif follow:
        listing.follow(centre, abnormal=abnormal, as_json=as_json)
    else:
        listing.list_current(centre, since, abnormal=abnormal, abstained=abstained, limit=limit, as_json=as_json)


@app.command("export")
def export(
    *,
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="File to write; it must end with .parquet or .csv.", dir_okay=False),
    ],
    history: Annotated[bool, typer.Option("--history", help="Superseded calls as well.")] = False,
    centre: Centre = None,
    since: SinceOption = None,
    abnormal: Abnormal = False,
) -> None:
    """Write the current call of every specimen to one file.

    Parquet: one row per call, a column for each label and its probability, and the models and views it is based on.

    CSV: rows in the format of IMPC, one per specimen and label, with the MP terms and the parameters that an abnormal
    label can stand for.

    The file is a snapshot of one moment, sorted by specimen; the same ledger gives the same bytes. It appears only
    when it is complete, and replaces an older one.

    Examples:

        xray calls export calls.parquet
        xray calls export calls.csv --centre "MRC Harwell" --history
        xray calls export new.csv --abnormal --since 7d
    """
    from services.cli.calls.export import write_file

    write_file(file, history=history, centre=centre, since=since, abnormal=abnormal)
