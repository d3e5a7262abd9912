import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from services.common.labels import LEVEL2, LEVEL3, PARENTS
from training.models.heads import coherent_probabilities

LOGITS = st.lists(st.floats(-60, 60, width=32), min_size=14, max_size=14)


@given(LOGITS)
def test_no_label_is_more_probable_than_what_is_above_it(logits: list[float]) -> None:
    level1, level2, level3 = (values.numpy()[0] for values in coherent_probabilities(torch.tensor([logits])))
    assert level1.shape == (1,)
    assert np.isfinite(np.concatenate([level1, level2, level3])).all()
    assert (level2 >= 0).all()
    assert (level3 >= 0).all()
    assert (level2 <= level1).all()
    assert (level3 <= level1).all()
    for probability, label in zip(level3, LEVEL3, strict=True):
        assert probability <= max(level2[LEVEL2.index(parent)] for parent in PARENTS[label])


def test_a_certain_abnormality_keeps_the_conditional_probability() -> None:
    logits = torch.full((1, 14), 20.0)
    logits[0, 1] = 0.0
    _, level2, _ = coherent_probabilities(logits)
    assert abs(float(level2[0, 0]) - 0.5) < 1e-6
