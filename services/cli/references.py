"""`xray references build|list|show|centres|activate|rollback`."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Annotated, Final

import typer

from services.cli.options import settings_for, user
from services.cli.output import FullOption, JsonOption, console, facts, print_json, short, table

if TYPE_CHECKING:
    from services.common.events import ReferenceActivation
    from services.common.settings import Settings
    from services.registry.references.snapshot import ReferenceSnapshot

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Build references of controls, and choose the one that scores are compared with.\n\n"
    "docs/refresh.md explains it for operators.",
)
Why = Annotated[str, typer.Option(help="The reason, in a sentence; it is kept in the record.")]
Who = Annotated[str | None, typer.Option(help="Who decided it.  [default: your user name]")]
Sha256 = Annotated[str, typer.Argument(metavar="SHA256", help="Digest of a reference, or its beginning.")]
_GROUPS: Final = ("centre", "sex", "strain", "controls#", "enough")


@app.command()
def build(*, dry_run: Annotated[bool, typer.Option("--dry-run", help="Store nothing.")] = False,
          as_json: JsonOption = False) -> None:  # fmt: skip
    """Build a reference from the controls in the ledger, for the model versions that serve, and store it.

    Controls are specimens that their centre announced with sample_group `control`. The newest 400 of each centre count.
    Nothing changes before the reference is activated. The same controls and models give the same reference.

    Examples:

        xray references build
        xray references build --dry-run
    """
    from services.common.store import ObjectStore
    from services.ledger.database import ledger
    from services.registry.active_models import ActiveModels
    from services.registry.references.build import build_reference
    from services.registry.references.snapshot import store_snapshot

    settings = settings_for("kafka", "objects", "postgres")
    store = ObjectStore(settings, connections=1)
    with ledger(settings) as connection, closing(ActiveModels(settings)) as active:
        snapshot = build_reference(connection, store, active.refresh())
    sha256 = None if dry_run else store_snapshot(store, snapshot)
    if as_json:
        print_json({"sha256": sha256, "groups": _groups_json(snapshot)})
        return
    console().print(_groups(snapshot))
    typer.echo(f"stored: {sha256}" if sha256 else "not stored")


@app.command("list")
def list_(*, full: FullOption = False, as_json: JsonOption = False) -> None:
    """List the stored references, and which one is active.

    Examples:

        xray references list
    """
    from services.common.store import ObjectStore
    from services.registry.references.active import active, current
    from services.registry.references.snapshot import read_snapshot, stored_snapshots

    settings = settings_for("kafka", "objects")
    store = ObjectStore(settings, connections=1)
    record = current(settings)
    present = active(record)
    earlier = {one.sha256: one.activation for one in (record.earlier if record else ())}
    rows = []
    for sha256 in stored_snapshots(store):
        snapshot = read_snapshot(store, sha256)
        role = "active" if sha256 == present.sha256 else f"earlier ({earlier[sha256]})" if sha256 in earlier else ""
        whole = [one for one in snapshot.groups if one.sex is None and one.strain_accession_id is None]
        rows.append((sha256, role, snapshot.versions, len(whole), sum(one.controls for one in whole)))
    if as_json:
        for row in rows:
            print_json(dict(zip(("sha256", "role", "versions", "centres", "controls"), row, strict=True)))
        return
    from services.common.events.summary import describe_versions

    cells = ((short(one[0], full=full), one[1], describe_versions(one[2]), *one[3:]) for one in rows)
    title = f"References; activation {present.activation}" + ("" if present.sha256 else ": none is active")
    console().print(table(title, ("reference", "role", "for", "centres#", "controls#"), cells))


@app.command()
def show(sha256: Sha256, *, as_json: JsonOption = False) -> None:
    """Show the groups of controls in a reference.

    Examples:

        xray references show 3f9a1c
    """
    from services.common.store import ObjectStore
    from services.registry.references.snapshot import find_snapshot, read_snapshot

    store = ObjectStore(settings_for("objects"), connections=1)
    found = find_snapshot(store, sha256)
    snapshot = read_snapshot(store, found)
    if as_json:
        print_json({"sha256": found, "versions": snapshot.versions, "groups": _groups_json(snapshot)})
        return
    console().print(facts("Reference", (("sha256", found), *sorted(snapshot.versions.items()))))
    console().print(_groups(snapshot))


@app.command()
def centres(*, as_json: JsonOption = False) -> None:
    """Show how many controls each centre has sent and lacks, and how many of its first 50 specimens were not called.

    Examples:

        xray references centres
    """
    from services.common.decision.reference import FEWEST
    from services.ledger.database import ledger
    from services.ledger.queries import centre_familiarity

    with ledger(settings_for("postgres")) as connection:
        found = centre_familiarity(connection, 50)
    columns = ("centre", "controls", "missing", "first specimens", "of these not called")
    rows = [(one.centre, one.controls, max(0, FEWEST - one.controls), one.first, one.first_abstained) for one in found]
    if as_json:
        for row in rows:
            print_json(dict(zip(columns, row, strict=True)))
        return
    console().print(table("Controls by centre", [columns[0], *(f"{name}#" for name in columns[1:])], rows))


@app.command()
def activate(
    sha256: Annotated[
        str | None, typer.Argument(metavar="SHA256", help="Digest of a reference, or its beginning.")
    ] = None,
    *,
    none: Annotated[bool, typer.Option("--none", help="Use no reference: compare with training.")] = False,
    why: Why,
    who: Who = None,
    as_json: JsonOption = False,
) -> None:
    """Compare scores with this reference from now on.

    It must be for the model versions that serve. Past specimens keep their calls until `xray reprocess`.

    Examples:

        xray references activate 3f9a1c --why "32 controls of UC Davis"
        xray references activate --none --why "controls were mislabelled"
    """
    from services.registry.references.active import activate as activate_reference

    if none == (sha256 is not None):
        raise typer.BadParameter("give the digest of a reference, or --none", param_hint="SHA256")
    settings = settings_for("kafka", "objects")
    found = None if sha256 is None else _usable(settings, sha256)
    _print_record(activate_reference(settings, found, why=why, who=who or user()), as_json=as_json)


@app.command()
def rollback(*, why: Why, who: Who = None, as_json: JsonOption = False) -> None:
    """Return to the reference that was active before.

    Examples:

        xray references rollback --why "too many abstentions at JAX"
    """
    from services.registry.references.active import roll_back

    record = roll_back(settings_for("kafka"), why=why, who=who or user())
    _print_record(record, as_json=as_json)


def _usable(settings: Settings, beginning: str) -> str:
    """Return the digest of a stored reference that is for the versions that serve; raises Rejected otherwise."""
    from services.common.errors import Rejected
    from services.common.store import ObjectStore
    from services.registry.active_models import ActiveModels
    from services.registry.references.snapshot import find_snapshot, read_snapshot

    store = ObjectStore(settings, connections=1)
    sha256 = find_snapshot(store, beginning)
    with closing(ActiveModels(settings)) as models:
        serving = models.refresh()
    if not read_snapshot(store, sha256).is_for(serving.cards):
        message = f"it is for other versions than those of activation {serving.activation}; build one for these"
        raise Rejected("reference_foreign", message)
    return sha256


def _print_record(record: ReferenceActivation, *, as_json: bool) -> None:
    if as_json:
        print_json(record)
    else:
        typer.echo(f"activation {record.activation}: {record.sha256 or 'no reference'}; now run `xray reprocess`")


def _groups(snapshot: ReferenceSnapshot) -> object:
    rows = (
        (one.centre, one.sex or "all", one.strain_accession_id or "all", one.controls, "yes" if one.sufficient else "")
        for one in snapshot.groups
    )
    return table("Groups of controls", _GROUPS, rows)


def _groups_json(snapshot: ReferenceSnapshot) -> list[dict[str, object]]:
    return [
        one.model_dump(include={"centre", "sex", "strain_accession_id"})
        | {"controls": one.controls, "sufficient": one.sufficient}
        for one in snapshot.groups
    ]
