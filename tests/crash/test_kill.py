"""Nothing is lost: processes are killed under load, and every call must be that of an undisturbed run."""

import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from services.common.events import ImageEvent
from services.common.topology import PIPELINE
from tests.pipeline.deployment import Call, Deployment, Picture, deployed
from tests.pipeline.mice import mouse

pytestmark = [pytest.mark.crash, pytest.mark.timeout(1200)]

SPECIMENS = 200
SERVERS = ("kafka", "seaweedfs", "triton", "postgres")


@pytest.fixture(scope="module")
def pictures() -> list[Picture]:
    return [picture for seed in range(SPECIMENS) for picture in mouse(f"mouse-{seed}", seed=1000 + seed, images=1)]


@pytest.fixture(scope="module")
def undisturbed(pictures: list[Picture], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Call]:
    with deployed(tmp_path_factory.mktemp("undisturbed")) as system:
        system.announce(system.upload(pictures))
        return system.wait_for(expected_revisions(pictures), seconds=300)


def expected_revisions(pictures: Iterable[Picture]) -> dict[str, int]:
    return {picture.specimen: 2 for picture in pictures}


def announce_slowly(system: Deployment, events: list[ImageEvent], seconds: float) -> threading.Thread:
    thread = threading.Thread(target=system.announce, args=(events, seconds / len(events)))
    thread.start()
    return thread


def run_with(
    pictures: list[Picture], folder: Path, seconds: float, disturb: Callable[[Deployment], None]
) -> dict[str, Call]:
    with deployed(folder) as system:
        thread = announce_slowly(system, system.upload(pictures), seconds)
        disturb(system)
        thread.join()
        return system.wait_for(expected_revisions(pictures), seconds=300)


def test_every_service_killed_in_turn(pictures: list[Picture], undisturbed: dict[str, Call], tmp_path: Path) -> None:
    def kill_services(system: Deployment) -> None:
        for name in PIPELINE * 2:
            time.sleep(2)
            system.services.kill(name)
            time.sleep(0.5)
            system.services.start([name])

    assert run_with(pictures, tmp_path, 25, kill_services) == undisturbed


def test_every_server_killed_once(pictures: list[Picture], undisturbed: dict[str, Call], tmp_path: Path) -> None:
    def kill_servers(system: Deployment) -> None:
        for name in SERVERS:
            time.sleep(3)
            system.stack.kill(name)
            time.sleep(2)
            system.stack.start(name)

    assert run_with(pictures, tmp_path, 30, kill_servers) == undisturbed
