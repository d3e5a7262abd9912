"""`xray status`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from services.cli.output import JsonOption, console, errors, moment, print_json, seconds, table

if TYPE_CHECKING:
    from services.operations.status import ParkedRecords, ServiceState, SystemStatus, TopicState

app = typer.Typer(add_completion=False)


@app.command()
def status(*, as_json: JsonOption = False) -> None:
    """Show the health of every server, the topics with their end offsets, and the workers and lag of every service.

    Each server is asked for a real operation: S3 stores an object, Triton infers with every active model version. A
    server that is dead or sends nothing is shown within four seconds, one that hangs in the operation within ten.
    `lag` is the number of records that wait for a service, and `waiting in` shows in which topic. Images whose host or
    bucket does not answer are listed separately, with the time of the next attempt. Exit code 1 when a server fails or
    a topic is missing; a service without workers only gets a remark.

    Examples:

        xray status
        watch xray status
        xray status --json | jq '.services[] | {name, lag}'
    """
    from dataclasses import asdict

    from services.common.settings import ServiceSettings, load
    from services.operations.servers import stack_advice
    from services.operations.status import system_status

    settings = load(ServiceSettings)
    found = system_status(settings)
    if as_json:
        print_json(asdict(found))
    else:
        _print(found)
    if found.nothing_reachable and (advice := stack_advice(settings)):
        errors().print(f"xray: {advice}", markup=False, soft_wrap=True)
    if any(one.problem for one in found.servers) or any(one.missing for one in found.topics):
        raise typer.Exit(1)


def _print(found: SystemStatus) -> None:
    out = console()
    rows = [
        (
            one.name,
            "ok" if one.problem is None else "failed" if one.reachable else "unreachable",
            seconds(one.seconds) if one.reachable else "",
            one.problem or one.did,
        )
        for one in found.servers
    ]
    out.print(table("Servers", ("server", "health", "took#", "operation, or problem~"), rows))
    if found.topics:
        columns = ("topic", "partitions#", "end offset#", "remark~")
        out.print(table("Topics", columns, map(_topic, found.topics)))
    if found.services:
        columns = ("service", "workers#", "lag#", "waiting in~")
        out.print(table("Services", columns, map(_service, found.services)))
    if waiting := [one for one in found.parked if one.records]:
        titles = ("retry topic", "images#", "next attempt")
        out.print(table("Images that wait for their source", titles, map(_parked, waiting)))


def _topic(one: TopicState) -> tuple[object, ...]:
    return one.name, one.partitions, one.end_offset, "missing: run `xray init`" if one.missing else ""


def _parked(one: ParkedRecords) -> tuple[object, ...]:
    return one.topic, one.records, moment(one.due_at)


def _service(one: ServiceState) -> tuple[object, ...]:
    waiting = ", ".join(f"{topic} {count}" for topic, count in one.lag.items() if count)
    stopped = "" if one.workers else f"no worker: run `xray run {one.name}`"
    return one.name, one.workers, sum(one.lag.values()), ", ".join(filter(None, (waiting, stopped)))
