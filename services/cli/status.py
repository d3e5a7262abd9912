"""`xray status`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Final

import typer

from services.cli.output import JsonOption, console, print_json, seconds, table
from services.common.errors import Retriable
from services.common.retry import retry
from services.common.settings import ServiceSettings, load
from services.operations.status import ServerHealth, ServiceState, TopicState, check_servers, topics_and_services

app = typer.Typer(add_completion=False, rich_markup_mode="markdown")
_TRIES: Final = 3


@app.command()
def status(*, as_json: JsonOption = False) -> None:
    """Show the topics with their end offsets, every service's workers and lag, and the health of every server.

    Each server is asked to do something real: S3 stores an object, Triton infers with every active model version.
    `lag` is the number of records that wait for a service. Exit code 1 when a server is away or a topic is missing;
    a service without workers is only pointed out.

    Examples:

        xray status
        watch xray status
        xray status --json | jq '.services[] | {name, lag}'
    """
    settings = load(ServiceSettings)
    servers = check_servers(settings)
    topics, services, problem = _ask_for_offsets(settings)
    if problem:
        servers.append(ServerHealth("kafka", "read offsets", 0, problem))
    if as_json:
        print_json(
            {
                "servers": [asdict(one) for one in servers],
                "topics": [asdict(one) for one in topics],
                "services": [asdict(one) for one in services],
            }
        )
    else:
        _print(servers, topics, services)
    if any(one.problem for one in servers) or any(one.missing for one in topics):
        raise typer.Exit(1)


def _ask_for_offsets(settings: ServiceSettings) -> tuple[list[TopicState], list[ServiceState], str | None]:
    """Ask the broker a few times: a fresh one needs a moment to find the coordinators of the groups."""
    try:
        return *retry(lambda: topics_and_services(settings), time.sleep, attempts=_TRIES), None
    except Retriable as error:
        return [], [], str(error)


def _print(servers: Sequence[ServerHealth], topics: Sequence[TopicState], services: Sequence[ServiceState]) -> None:
    out = console()
    rows = [
        (one.name, "away" if one.problem else "ok", one.problem or one.did, seconds(one.seconds)) for one in servers
    ]
    out.print(table("Servers", ("server", "health", "what was done, or what is wrong", "took#"), rows))
    if topics:
        out.print(table("Topics", ("topic", "partitions#", "end offset#", ""), [_topic(one) for one in topics]))
    if services:
        out.print(table("Services", ("service", "workers#", "lag#", "waiting in"), [_service(one) for one in services]))


def _topic(one: TopicState) -> tuple[object, ...]:
    return one.name, one.partitions, one.end_offset, "missing: run `xray init`" if one.missing else ""


def _service(one: ServiceState) -> tuple[object, ...]:
    waiting = ", ".join(f"{topic} {count}" for topic, count in one.lag.items() if count and len(one.lag) > 1)
    stopped = "" if one.workers else f"no worker: run `xray run {one.name}`"
    return one.name, one.workers, sum(one.lag.values()), ", ".join(filter(None, (waiting, stopped)))
