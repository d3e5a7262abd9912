"""Health of every server, by a real operation with each: a port that answers proves little."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from typing import Final

from services.common.errors import PipelineError, Retriable
from services.common.kafka.clients import administrator
from services.common.settings import Settings
from services.common.store import ObjectStore
from services.ledger.migrate import check_migrated
from services.ledger.session import ledger
from services.registry.active_models import ActiveModels
from services.registry.triton_client import Backbone, connect

Check = tuple[str, str, Callable[[Settings], None]]
_PROBE_KEY: Final = "health/probe"


@dataclass(frozen=True)
class ServerHealth:
    """One server: what was done with it, how long that took, and what is wrong, if anything."""

    name: str
    did: str
    seconds: float
    problem: str | None


def check_servers(settings: Settings) -> list[ServerHealth]:
    """Do a real operation with every server, side by side."""
    checks: Sequence[Check] = (
        ("kafka", "listed the topics", _kafka),
        ("s3", "wrote and read an object", _store),
        ("triton", "asked every active model version", _triton),
        ("postgres", "read the ledger's version", _postgres),
    )
    with ThreadPoolExecutor(len(checks)) as pool:
        return list(pool.map(lambda check: _timed(check, settings), checks))


def _timed(named: Check, settings: Settings) -> ServerHealth:
    name, did, check = named
    started = time.perf_counter()
    try:
        check(settings)
        problem = None
    except PipelineError as error:
        problem = str(error)
    return ServerHealth(name, did, round(time.perf_counter() - started, 3), problem)


def _kafka(settings: Settings) -> None:
    with administrator(settings) as admin:
        admin.list_topics()


def _store(settings: Settings) -> None:
    store, written = ObjectStore(settings, connections=1), secrets.token_bytes(16)
    store.check_bucket()
    store.put(_PROBE_KEY, written)
    if store.get(_PROBE_KEY) != written:
        raise Retriable(f"the object {_PROBE_KEY} that was just written reads differently")


def _triton(settings: Settings) -> None:
    with closing(ActiveModels(settings)) as active:
        versions = active.refresh().versions
    with closing(connect(settings.triton_grpc)) as client:
        for model, version in versions.items():
            Backbone(client, model, version).probe()


def _postgres(settings: Settings) -> None:
    with ledger(settings) as connection:
        check_migrated(connection)
