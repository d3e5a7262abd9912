"""Which fault a round has is a function of the seed and its number."""

import os
import re
import resource
import subprocess
from collections import Counter
from pathlib import Path
from random import Random

import pytest

from services.chaos import faults
from services.chaos.faults import FAULTS, Faults, _limit_files, kind_of

CI_ROUNDS = 41


def test_each_deck_holds_every_kind_and_another_seed_another_order() -> None:
    deck = [kind_of(1, number) for number in range(CI_ROUNDS)]
    assert Counter(deck) == Counter(faults._WEIGHTS)
    assert deck != [kind_of(2, number) for number in range(CI_ROUNDS)]
    assert deck == [kind_of(1, number) for number in range(CI_ROUNDS)]
    assert Counter(kind_of(1, number) for number in range(CI_ROUNDS, 2 * CI_ROUNDS)) == Counter(deck)
    assert set(deck) == set(FAULTS)


@pytest.mark.parametrize("kind", sorted({"none", "kill", "term", "stop", "cut", "slow", "stall", "disk full"}))
def test_equal_random_states_prepare_equal_faults(kind: str) -> None:
    prepared = [
        Faults(None, None, longest_stop=9).prepare(kind, Random(5))[0]  # type: ignore[arg-type]
        for _ in range(2)
    ]
    assert prepared[0] == prepared[1]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root starts processes of another user")
def test_the_disk_is_full_for_processes_of_another_user_too() -> None:
    """In a container, root usually lacks CAP_SYS_RESOURCE, and PostgreSQL runs as another user."""
    with subprocess.Popen(["sleep", "60"], user=65534, group=65534, extra_groups=[]) as process:
        try:
            for size, shown in ((0, "0"), (resource.RLIM_INFINITY, "unlimited")):
                _limit_files([process.pid], size)
                limits = Path(f"/proc/{process.pid}/limits").read_text(encoding="ascii")
                assert re.search(rf"Max file size +{shown} +unlimited", limits), limits
        finally:
            process.kill()
