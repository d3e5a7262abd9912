"""A reference is a function of the controls and the models."""

import numpy as np
import pytest

from services.common.errors import Rejected
from services.common.events import Animal
from services.registry.references.build import FEWEST_OF_A_GROUP, reference_of
from services.registry.references.snapshot import (
    ReferenceSnapshot,
    find_snapshot,
    read_snapshot,
    snapshot_key,
    store_snapshot,
    stored_snapshots,
)
from tests.common.memory_store import MemoryStore
from tests.registry.references.controls import AWAY, SHIFT, controls, set_card, shuffled

CARDS = {"cae": "a" * 64, "convnext": "b" * 64}


def built(*found: object) -> ReferenceSnapshot:
    return reference_of([one for part in found for one in part], set_card(), CARDS)  # type: ignore[attr-defined]


def test_the_order_of_the_controls_changes_nothing() -> None:
    known = [*controls("JAX", 40, sex="male"), *controls("TCP", 12)]
    digests = {built(list(shuffled(known, seed))).encode() for seed in range(5)}
    assert len(digests) == 1


def test_a_centre_with_controls_has_their_statistics_and_one_with_few_is_shrunk_to_the_others() -> None:
    snapshot = built(controls("JAX", 30), controls("TCP", 30, seed=2, shift=-2), controls("UCD", 3, seed=3, shift=5))
    jax, few = snapshot.group_of("JAX", None), snapshot.group_of("UCD", None)
    assert jax is not None
    assert few is not None
    assert snapshot.group_of("ICS", None) is None
    assert (jax.controls, jax.sufficient, few.controls, few.sufficient) == (30, True, 3, False)
    for model in CARDS:
        assert jax.statistics[model].score_centre == pytest.approx(-2 + SHIFT, abs=0.8)
        assert jax.statistics[model].feature_mean == pytest.approx(AWAY, abs=1)
        between = few.statistics[model].score_centre.mean()
        assert -2 + SHIFT + 0.5 < between < -2 + SHIFT + 5


def test_a_sex_with_enough_controls_is_a_group_of_its_own() -> None:
    many, few = FEWEST_OF_A_GROUP, FEWEST_OF_A_GROUP - 1
    snapshot = built(controls("JAX", many, sex="male"), controls("JAX", few, sex="female", seed=2))
    assert [one.name for one in snapshot.groups] == ["JAX", "JAX, male"]

    def name(animal: Animal | None) -> str | None:
        group = snapshot.group_of("JAX", animal)
        return None if group is None else group.name

    assert name(Animal(sex="male")) == "JAX, male"
    assert name(Animal(sex="female")) == name(Animal()) == name(None) == "JAX"


def test_a_snapshot_is_stored_once_under_its_digest_and_a_damaged_one_is_refused() -> None:
    store = MemoryStore()
    snapshot = built(controls("JAX", 10))
    sha256 = store_snapshot(store, snapshot)
    assert store_snapshot(store, built(controls("JAX", 10))) == sha256
    assert stored_snapshots(store) == [sha256]
    assert find_snapshot(store, sha256[:8]) == sha256
    read = read_snapshot(store, sha256)
    assert read.encode() == snapshot.encode()
    np.testing.assert_allclose(
        read.groups[0].statistics["cae"].feature_covariance,
        snapshot.groups[0].statistics["cae"].feature_covariance,
        rtol=1e-5,
    )
    store.put(snapshot_key(sha256), b"{}")
    with pytest.raises(Rejected, match="reference_damaged"):
        read_snapshot(store, sha256)
    with pytest.raises(Rejected, match="reference_unknown"):
        find_snapshot(store, "f00")


def test_a_reference_is_only_for_the_versions_that_it_was_built_with() -> None:
    snapshot = built(controls("JAX", 10))
    assert snapshot.is_for(CARDS)
    assert not snapshot.is_for(CARDS | {"cae": "c" * 64})
    assert not snapshot.is_for({"cae": "a" * 64})
