"""`xray access`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from services.cli.output import JsonOption, console, print_json, table

if TYPE_CHECKING:
    from services.operations.access import AccessStep

app = typer.Typer(add_completion=False)


@app.command()
def access(
    operator: Annotated[
        list[str] | None, typer.Option(help="Also an operator with this principal; repeatable.")
    ] = None,
    centre: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[PRINCIPAL=]CENTRE", help="Also a centre, which may announce its own images only; repeatable."
        ),
    ] = None,
    subscriber: Annotated[
        list[str] | None, typer.Option(help="Also a subscriber with this principal; repeatable.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Change nothing; show what is missing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Grant every service its rights on Kafka, and those of the principals named.

    Needs a broker with an authorizer and the credentials of a super user. A principal is a user name, or the common
    name of a client certificate; that of a service is the service's name. A centre gets a topic of its own, on which
    only its principal may announce images. Running it again changes nothing. No right is ever removed: rights on the
    broker that are not in the table of docs/security.md are shown as unlisted.

    Examples:

        xray access --dry-run
        xray access --operator operator --centre JAX --subscriber dashboard
        xray access --centre "harwell-push=MRC Harwell"
    """
    from dataclasses import asdict

    from services.common.settings import ServiceSettings, load
    from services.operations.access import grant, grantees
    from services.operations.servers import require

    settings = load(ServiceSettings)
    wanted = [
        *grantees("operator", operator or ()),
        *grantees("centre", centre or ()),
        *grantees("subscriber", subscriber or ()),
    ]
    require(settings, "kafka")
    steps = grant(settings, wanted, dry_run=dry_run)
    if as_json:
        print_json([asdict(step) for step in steps])
    else:
        console().print(table("", ("outcome", "principal", "may", "resource", "name"), map(_row, steps)))


def _row(step: AccessStep) -> tuple[str, ...]:
    right = step.right
    return step.outcome, right.principal, right.operation, right.resource, right.name + ("*" if right.prefixed else "")
