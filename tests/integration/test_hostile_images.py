"""Hostile images on real servers: each becomes a rejection, and the good images around them become calls."""

import os
import signal
import time
from collections.abc import Iterator

import psutil
import pytest

from tests.intake.hostile import dicom_with_decoy_size, dicom_with_empty_items, tiff_with_two_sizes
from tests.integration.test_pipeline import DV, send, wait_until
from tests.pipeline.deployment import Deployment, Picture, deployed
from tests.pipeline.mice import mouse

pytestmark = pytest.mark.integration

LIMITS = {"XRAY_LIMIT_DECODER_CPU_SECONDS": "2", "XRAY_LIMIT_MOST_DICOM_ELEMENTS": "100000000"}
"""Elements are not counted, so that a decoder process has to be killed."""


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with deployed(tmp_path_factory.mktemp("hostile"), LIMITS) as deployment:
        yield deployment


def children(system: Deployment) -> list[psutil.Process]:
    return psutil.Process(system.services.pid("intake")).children()


def test_hostile_images_cost_only_themselves(system: Deployment) -> None:
    before = {child.pid for child in children(system)}
    assert len(before) == 2
    hostile = {
        "too-slow": (dicom_with_empty_items(), "decoder_limit"),
        "two-sizes": (tiff_with_two_sizes(), "image_corrupt"),
        "decoy": (dicom_with_decoy_size(), "image_corrupt"),
    }
    good = [*mouse("first", seed=1, images=1), *mouse("last", seed=2, images=1)]
    bad = [Picture(specimen, "JAX", DV, data) for specimen, (data, _) in hostile.items()]
    started = time.monotonic()
    send(system, *good[:2], *bad, *good[2:])
    system.wait_for({"first": 2, "last": 2}, seconds=30)
    rows = wait_until(system, "select biological_sample_id, reason from rejection", len(bad))
    assert dict(rows) == {specimen: reason for specimen, (_, reason) in hostile.items()}
    assert time.monotonic() - started < 30
    assert psutil.Process(system.services.pid("intake")).memory_info().rss < 300e6
    assert len({child.pid for child in children(system)} & before) == 1, "one decoder process was replaced"


def test_decoder_processes_end_with_intake_and_a_killed_one_costs_nothing(system: Deployment) -> None:
    for child in children(system):
        os.kill(child.pid, signal.SIGKILL)
    send(system, *mouse("after-kill", seed=3, images=1))
    system.wait_for({"after-kill": 2}, seconds=30)
    orphans = children(system)
    system.services.kill("intake")
    _, alive = psutil.wait_procs(orphans, timeout=10)
    assert not alive
    system.services.start(["intake"])
    system.services.wait_ready()


def test_intake_stops_cleanly_within_25_s_in_a_batch_that_takes_longer(system: Deployment) -> None:
    """The batch is given back, and handled again after the next start."""
    data = dicom_with_empty_items()
    send(system, *(Picture(f"slow-{number}", "JAX", DV, data + bytes(number)) for number in range(24)))
    time.sleep(5)
    started = time.monotonic()
    system.services.stop(["intake"])
    assert time.monotonic() - started < 25
    assert system.services.exit_code("intake") == 0
    assert not system.query("select 1 from rejection where biological_sample_id like 'slow-%'")
