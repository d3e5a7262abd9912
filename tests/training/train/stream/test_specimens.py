from pathlib import Path

import pytest
import torch

from services.common.errors import Fatal
from tests.training.train.stream.tiny import REJECTED, draw_tiny
from training.train.stream.specimens import (
    DrawnBatch,
    DrawnBatches,
    DrawnSpecimen,
    StoredBatches,
    StreamData,
    StreamSteps,
    draw_accepted,
    draw_set,
    stored_set,
)


def _nothing(_seed: int) -> DrawnSpecimen | None:
    return None


def test_a_batch_depends_on_its_number_alone() -> None:
    batches = DrawnBatches(draw_tiny, 1, 4)
    later = batches[3]
    assert torch.equal(later.images, DrawnBatches(draw_tiny, 13, 4)[0].images)
    assert torch.equal(later.images, batches[3].images)
    assert not torch.equal(later.images, batches[2].images)


def test_a_rejected_specimen_is_replaced_by_another_seed() -> None:
    assert draw_tiny(REJECTED) is None
    replaced, others = draw_accepted(draw_tiny, REJECTED), [draw_accepted(draw_tiny, seed) for seed in range(1, 9)]
    assert len(DrawnBatches(draw_tiny, 1, 8)[0].images) == 8
    same = [bool((other.tensor == replaced.tensor).all()) for other in others]
    assert same == [seed == REJECTED for seed in range(1, 9)]


def test_a_simulation_that_intake_always_rejects_is_an_error() -> None:
    with pytest.raises(Fatal, match="intake rejected 20 specimens in place of seed 3"):
        draw_accepted(_nothing, 3)


def test_an_epoch_continues_where_the_finished_ones_ended() -> None:
    finished = 0
    steps = StreamSteps(4, lambda: finished)
    assert list(steps) == [0, 1, 2, 3]
    finished = 2
    assert list(steps) == [8, 9, 10, 11]
    assert len(steps) == 4


def test_a_worker_draws_what_the_process_itself_would_draw() -> None:
    alone, with_worker = draw_set(draw_tiny, 11, 8), draw_set(draw_tiny, 11, 8, workers=1)
    assert all(torch.equal(one, other) for one, other in zip(alone, with_worker, strict=True))


def test_validation_specimens_come_in_order_and_all() -> None:
    drawn = draw_set(draw_tiny, 11, 8)
    batches = StoredBatches(drawn, 3)
    assert [len(batch.images) for batch in batches] == [3, 3, 2]
    data = StreamData(DrawnBatches(draw_tiny, 1, 3), drawn, lambda: 0, batch=3, steps=2)
    assert torch.equal(torch.cat([batch.labels for batch in data.val_dataloader()]), drawn.labels)
    assert len(list(data.train_dataloader())) == 2


def test_a_set_is_drawn_once(tmp_path: Path) -> None:
    made: list[int] = []
    reported: list[tuple[int, int]] = []

    def make() -> DrawnBatch:
        made.append(1)
        return draw_set(draw_tiny, 11, 8, on_drawn=lambda done, total: reported.append((done, total)))

    first = stored_set(tmp_path / "new" / "set.pt", make)
    second = stored_set(tmp_path / "new" / "set.pt", make)
    assert made == [1]
    assert reported == [(4, 8), (8, 8)]
    assert all(torch.equal(one, other) for one, other in zip(first, second, strict=True))
