"""The monitor as a process on a real broker: events in, statistics and metrics out."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from kafka import KafkaProducer

from services.common.topics import IMAGES
from services.operations.processes import Processes
from tests.common.kafka.written import NotUtf8
from tests.ledger.examples import image
from tests.monitor.counted import Counted, counted, metric, sendings, window_start

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

BEFORE = [window_start(hours) for hours in (5, 4, 3)]
CHANGED = window_start(2)


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Counted]:
    with counted(tmp_path_factory.mktemp("monitor")) as one:
        yield one


@pytest.fixture(scope="module")
def services(system: Counted, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    with Processes(["monitor"], system.environment, tmp_path_factory.mktemp("logs")) as processes:
        processes.wait_ready(400)
        yield processes


def test_closed_windows_are_published_and_a_change_raises_the_alarm(system: Counted, services: Processes) -> None:
    usual = [one for centre in ("JAX", "TCP") for start in BEFORE for one in sendings(centre, start, 60)]
    system.send([*usual, *usual])  # everything is delivered twice
    system.wait_for({(centre, start): 60 for centre in ("JAX", "TCP") for start in BEFORE}, services)
    assert metric(services, "xray_records_skipped_total", cause="duplicate") == len(usual)
    assert metric(services, "xray_centre_images_total", centre="JAX") == 180
    assert metric(services, "xray_centre_drifted_measures", centre="JAX") == 0

    system.send([*sendings("JAX", CHANGED, 60, contrast=0.8), *sendings("TCP", CHANGED, 60)])
    found = system.wait_for({("JAX", CHANGED): 60, ("TCP", CHANGED): 60}, services)
    assert [drift.measure for drift in found["JAX", CHANGED].drift if drift.drifted] == ["score.contrast"]
    assert not any(drift.drifted for drift in found["TCP", CHANGED].drift)
    assert found["JAX", CHANGED].reference_windows == 3
    index = metric(services, "xray_centre_drift_index", centre="JAX", measure="score.contrast")
    limit = metric(services, "xray_centre_drift_limit_index", centre="JAX", measure="score.contrast")
    assert index is not None
    assert limit is not None
    assert index > limit
    assert metric(services, "xray_centre_drifted_measures", centre="TCP") == 0


def test_a_clean_stop_costs_nothing_and_late_events_publish_again(system: Counted, services: Processes) -> None:
    begin = time.monotonic()
    os.kill(services.pid("monitor"), signal.SIGTERM)
    while services.alive("monitor"):
        assert time.monotonic() - begin < 60
        time.sleep(0.05)
    assert services.exit_code("monitor") == 0
    system.send(sendings("JAX", BEFORE[0], 20, tag="late"))
    services.start(["monitor"])
    services.wait_ready(400)
    assert metric(services, "xray_centre_drifted_measures", centre="JAX") == 1  # exported before any event arrives
    found = system.wait_for({("JAX", BEFORE[0]): 80}, services)
    assert found["JAX", BEFORE[0]].interrupted
    assert metric(services, "xray_monitor_windows_published_total", occasion="again")
    assert metric(services, "xray_centre_drifted_measures", centre="JAX") == 1  # of the newest window, not of this one


def test_late_early_and_unreadable_records_are_counted_separately(system: Counted, services: Processes) -> None:
    system.send(sendings("JAX", window_start(24 * 30), 1, tag="old")[:1])
    # A rejection event, because Kafka itself refuses records that are more than an hour ahead.
    system.send(sendings("JAX", window_start(-24), 1, tag="ahead")[1:])
    deadline = time.monotonic() + 60
    for cause in ("too_late", "in_the_future"):
        while metric(services, "xray_records_skipped_total", cause=cause) != 1:
            assert time.monotonic() < deadline, services.log_tail("monitor")
            time.sleep(0.2)


def test_a_recount_agrees(system: Counted, services: Processes) -> None:
    """The events of a month ago are still in the topics, so their window is new to the count."""
    assert services.alive("monitor")
    command = [sys.executable, "-m", "services.cli.main", "statistics", "--json", "--last", "10"]
    before, after = (
        subprocess.run(
            [*command, *more], env=os.environ | system.environment, capture_output=True, text=True, check=True
        )
        for more in ([], ["--recompute"])
    )
    assert after.stderr.startswith("1 windows"), after.stderr
    windows = [json.loads(line) for line in after.stdout.splitlines()]
    assert len(windows) == 9
    assert [one for one in windows if one["images"] > 1] == [json.loads(line) for line in before.stdout.splitlines()]


def test_no_record_of_another_producer_stops_the_monitor(system: Counted, services: Processes) -> None:
    """A codec, a header name that is not UTF-8 and an aborted transaction, each before a good record."""
    address = system.settings.kafka_bootstrap

    def announce(producer: Any, number: int, centre: str, **options: Any) -> None:
        at = int(window_start(1).timestamp() * 1000)
        value = image(f"other-{number}", centre=centre).encode()
        producer.send(IMAGES.name, value=value, partition=0, timestamp_ms=at, **options).get(timeout=30)

    def abort(number: int) -> None:
        with closing(KafkaProducer(bootstrap_servers=address, transactional_id="aborted")) as producer:
            producer.init_transactions()
            producer.begin_transaction()
            announce(producer, number, "Aborted")
            producer.abort_transaction()

    before = metric(services, "xray_records_skipped_total", cause="refused_by_another_service") or 0
    for number, codec in enumerate(("zstd", "lz4", "gzip")):
        with closing(KafkaProducer(bootstrap_servers=address, compression_type=codec)) as producer:
            announce(producer, number, "Codecs")
    abort(10)
    with closing(KafkaProducer(bootstrap_servers=address)) as producer:
        announce(producer, 11, "Headers", headers=[(NotUtf8("name"), b"1")])
        announce(producer, 12, "Last")
    deadline = time.monotonic() + 60
    while metric(services, "xray_centre_images_total", centre="Last") != 1:
        assert time.monotonic() < deadline, services.log_tail("monitor")
        time.sleep(0.3)
    assert metric(services, "xray_centre_images_total", centre="Codecs") == 3
    assert metric(services, "xray_centre_images_total", centre="Aborted") is None
    assert metric(services, "xray_centre_images_total", centre="Headers") is None
    assert metric(services, "xray_records_skipped_total", cause="refused_by_another_service") == before + 1

    start = window_start(0.1)
    system.send(sendings("After", start, 10))
    abort(13)  # the end of this partition, which must not look like a backlog
    system.wait_for({("After", start): 10}, services)
