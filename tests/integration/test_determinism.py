"""The same events in any order, with duplicates, give the same current calls."""

import random
from pathlib import Path

import pytest

from tests.pipeline.deployment import Call, deployed
from tests.pipeline.mice import mouse

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]

SPECIMENS = 50
IMAGES = 4
"""Two DV and two LAT each: 200 events."""


def test_order_and_duplicates_change_no_call(tmp_path: Path) -> None:
    runs = [calls_of_a_shuffled_run(tmp_path / str(seed), seed) for seed in range(3)]
    assert len(runs[0]) == SPECIMENS
    assert runs[0] == runs[1] == runs[2]


def calls_of_a_shuffled_run(folder: Path, seed: int) -> dict[str, Call]:
    pictures = [picture for number in range(SPECIMENS) for picture in mouse(f"mouse-{number}", seed=2000 + number)]
    order = random.Random(seed)
    with deployed(folder) as system:
        events = system.upload(pictures)
        assert len(events) == SPECIMENS * IMAGES
        events += order.sample(events, 40)
        order.shuffle(events)
        system.announce(events)
        return system.wait_for(dict.fromkeys({picture.specimen for picture in pictures}, IMAGES), seconds=240)
