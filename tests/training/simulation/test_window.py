import numpy as np
import pytest

from training.simulation.centres import style_of
from training.simulation.files import display
from training.simulation.render import render
from training.simulation.specimen import make_specimen


@pytest.mark.parametrize("seed", range(40))
def test_a_good_picture_is_never_windowed_away(seed: int) -> None:
    radiograph = render(make_specimen(9_000_000 + seed), "DV", 1, side=300)
    for draw in range(30):
        grey = display(radiograph, style_of(radiograph.centre), np.random.default_rng(draw))
        assert np.quantile(grey[radiograph.mask], 0.9) > np.median(grey) + 0.1
