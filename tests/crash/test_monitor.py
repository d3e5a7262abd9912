"""The monitor's statistics after `kill -9`, compared with the ledger; counting again corrects them."""

import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from typing import Any

import pytest

from services.common.errors import Retriable
from services.common.settings import ServiceSettings
from services.monitor.app import TICK_SECONDS
from services.monitor.settings import MonitorSettings
from services.operations.processes import Processes
from services.operations.statistics import recompute
from services.operations.status import topics_and_services
from tests.monitor.counted import Counted, counted, counts_of, sendings, window_start

pytestmark = [pytest.mark.crash, pytest.mark.timeout(1200)]

CENTRE, SPECIMENS, SECONDS = "JAX", 600, 40.0


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Counted]:
    with counted(tmp_path_factory.mktemp("counted")) as one:
        yield one


@pytest.fixture(scope="module")
def services(system: Counted, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    with Processes(["sink", "monitor"], system.environment, tmp_path_factory.mktemp("logs")) as processes:
        processes.wait_ready(400)
        yield processes


def test_killed_under_load_it_never_counts_too_much_and_a_recount_equals_the_ledger(
    system: Counted, services: Processes
) -> None:
    """Killed three times, once with its disk lost."""
    start = window_start(2)
    sending = _sending(system, start)
    for fresh_disk in (False, True, False):
        time.sleep(SECONDS / 5)
        services.kill("monitor")
        if fresh_disk:
            shutil.rmtree(system.tables)
        services.start(["monitor"])
    sending.join()
    ledger = _settled(system, services, start)
    assert ledger["images"] == SPECIMENS
    window = system.published()[CENTRE, start]
    found = counts_of(window)
    missing = {name: ledger[name] - found[name] for name in ("images", "accepted", "calls", "abnormal")}
    assert all(count >= 0 for count in missing.values()), f"counted too much: {missing}"
    assert window.interrupted

    settings = MonitorSettings.model_validate(_fields(system))
    recompute(settings)
    assert counts_of(system.published()[CENTRE, start]) == ledger
    assert recompute(settings) == []


def test_it_continues_after_the_broker_was_down(system: Counted, services: Processes) -> None:
    process, start = services.pid("monitor"), window_start(1)
    sending = _sending(system, start)
    time.sleep(SECONDS / 4)
    system.stack.kill("kafka")
    time.sleep(2)
    system.stack.start("kafka")
    sending.join()
    system.wait_for({(CENTRE, start): SPECIMENS}, services, seconds=240)
    assert services.pid("monitor") == process
    assert counts_of(system.published()[CENTRE, start]) == system.ledger(CENTRE, start)


def _sending(system: Counted, start: datetime) -> threading.Thread:
    events = sendings(CENTRE, start, SPECIMENS)
    thread = threading.Thread(target=system.send, args=(events, SECONDS / len(events)))
    thread.start()
    return thread


def _settled(system: Counted, services: Processes, start: datetime) -> dict[str, Any]:
    """Wait until ledger and monitor have read everything; return the ledger's counts."""
    deadline = time.monotonic() + 240
    while True:
        with suppress(Retriable):
            _, states = topics_and_services(ServiceSettings.model_validate(_fields(system)))
            waiting = {one.name: sum(one.lag.values()) for one in states if one.name in {"sink", "monitor"}}
            if not any(waiting.values()):
                break
        assert time.monotonic() < deadline, services.log_tail("monitor")
        services.restart_crashed()
        time.sleep(1)
    time.sleep(5 * TICK_SECONDS)
    return system.ledger(CENTRE, start)


def _fields(system: Counted) -> dict[str, str]:
    return {
        name.removeprefix("XRAY_").lower(): value
        for name, value in system.environment.items()
        if name.startswith("XRAY_")
    }
