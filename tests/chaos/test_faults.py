"""Which fault a round has is a function of the seed and its number."""

from collections import Counter
from random import Random

import pytest

from services.chaos import faults
from services.chaos.faults import FAULTS, Faults, kind_of

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
