import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from tests.training.synthetic import tiny_subset
from training.datasets.store import Subset
from training.train.batches import Draws, Specimens


def _mapped(folder: Path) -> Subset:
    subset = tiny_subset(24, seed=1)
    for name, array in (("images", subset.images), ("bones", subset.bones)):
        assert array is not None
        np.save(folder / f"{name}.npy", array)
    images, bones = (np.load(folder / f"{name}.npy", mmap_mode="r") for name in ("images", "bones"))
    return replace(subset, images=images, bones=bones)


def test_every_specimen_is_drawn_once_an_epoch_and_epochs_differ() -> None:
    draws = Draws(23, 8, seed=3)
    orders = []
    for epoch in (0, 1):
        draws.set_epoch(epoch)
        batches = [draw.rows for draw in draws]
        assert [len(rows) for rows in batches] == [8, 8, 7]
        orders.append(np.concatenate(batches))
    assert all(sorted(order) == list(range(23)) for order in orders)
    assert not np.array_equal(orders[0], orders[1])


def test_processes_share_each_batch_and_take_as_many_steps() -> None:
    alone = [draw.rows for draw in Draws(23, 8, seed=3)]
    shares = [[draw.rows for draw in Draws(23, 8, seed=3, process=process, processes=2)] for process in (0, 1)]
    assert [len(share) for share in shares] == [3, 3]
    for whole, left, right in zip(alone, *shares, strict=True):
        assert sorted([*left, *right]) == sorted(whole)


def test_an_epoch_does_not_depend_on_what_ran_before() -> None:
    subset = tiny_subset(24, seed=1)
    specimens, draws = Specimens(subset, seed=3), Draws(24, 8, seed=3)
    draws.set_epoch(5)
    first = [specimens[draw] for draw in draws]
    again = [Specimens(subset, seed=3)[draw] for draw in draws]
    for left, right in zip(first, again, strict=True):
        assert torch.equal(left.images, right.images)
        assert torch.equal(left.labels, right.labels)
        assert left.bones is not None
        assert right.bones is not None
        assert torch.equal(left.bones, right.bones)
    plain = Specimens(subset, seed=None)[next(iter(draws))]
    assert not torch.equal(plain.images, first[0].images)


def test_a_memory_mapped_set_is_sent_to_another_process_by_file_name(tmp_path: Path) -> None:
    specimens = Specimens(_mapped(tmp_path), seed=None)
    pickled = pickle.dumps(specimens)
    assert len(pickled) < 10_000
    (draw,) = Draws(24, 24, seed=None)
    here, there = specimens[draw], pickle.loads(pickled)[draw]
    assert torch.equal(here.images, there.images)
    assert here.bones is not None
    assert torch.equal(here.bones, there.bones)


def test_real_mice_have_no_bones() -> None:
    (draw,) = Draws(24, 24, seed=None)
    assert Specimens(replace(tiny_subset(24, seed=1), bones=None), seed=4)[draw].bones is None
