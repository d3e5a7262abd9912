"""The wide population: as different as real mice and their pictures, with labels that follow from the anatomy alone."""

from collections import Counter
from functools import cache

import numpy as np
import pytest

from training.simulation import LANDMARKS, Radiograph, make_specimen, render
from training.simulation.anatomy.pose import DV, LAT
from training.simulation.files import decoded, encode
from training.simulation.online import draw
from training.simulation.specimen import LEAST_SCORED, WIDE_SEVERITY, SimulatedSpecimen, counts, normal_counts
from training.simulation.wide.anatomy import FIVE_LUMBAR, RUDIMENTARY_RIB
from training.simulation.wide.posture import LATERAL_BEND, MOST_ROLL, draw_wide_pose

MANY = 300


@cache
def normal_mice() -> tuple[SimulatedSpecimen, ...]:
    return tuple(make_specimen(seed, abnormal=False, population="wide") for seed in range(MANY))


def picture(seed: int, view: str, **options: object) -> Radiograph:
    return render(make_specimen(seed, abnormal=False, population="wide"), view, 1, side=300, **options)  # type: ignore[arg-type]


def test_the_same_seed_gives_the_same_picture_and_file() -> None:
    first, again = picture(3, DV), picture(3, DV)
    assert first.transmission.tobytes() == again.transmission.tobytes()
    assert encode(first, seed=1).data == encode(again, seed=1).data
    assert first.population == "wide"


def test_a_seed_of_the_plain_population_stays_as_it_was() -> None:
    assert make_specimen(3).population == "plain"
    assert make_specimen(3) == make_specimen(3, population="plain")
    assert make_specimen(3).plan() != make_specimen(3, population="wide").plan()


def test_no_normal_mouse_has_a_finding_and_all_counts_are_normal() -> None:
    for specimen in normal_mice():
        assert specimen.level1 == 0
        assert normal_counts(specimen.plan()) == set(counts(specimen.plan()))


def test_variants_occur_and_are_normal() -> None:
    plans = [specimen.plan() for specimen in normal_mice()]
    five = sum(len(plan.region("L")) == 5 for plan in plans) / MANY
    stumps = sum(any(rib.rudimentary for rib in plan.ribs) for plan in plans) / MANY
    assert five == pytest.approx(FIVE_LUMBAR, abs=0.04)
    assert stumps == pytest.approx(RUDIMENTARY_RIB, abs=0.05)


def test_a_rudimentary_rib_is_drawn_but_is_no_landmark() -> None:
    specimen = next(s for s in normal_mice() if any(rib.rudimentary for rib in s.plan().ribs))
    radiograph = render(specimen, DV, 1, side=200)
    stump = next(rib for rib in specimen.plan().ribs if rib.rudimentary)
    assert stump.name in radiograph.mouse.parts
    row = LANDMARKS.index(f"rib.{'left' if stump.side == 'L' else 'right'}.{stump.level + 1}")
    assert not radiograph.landmarks.present[row]


def test_postures_reach_from_stretched_to_crouched_and_roll_both_ways() -> None:
    rng = np.random.default_rng(0)
    poses = [draw_wide_pose(LAT, rng) for _ in range(MANY)]
    bends = np.array([pose.back_bend for pose in poses])
    assert bends.max() > 0.95 * LATERAL_BEND[1]
    assert bends.max() <= LATERAL_BEND[1]
    assert (bends < 5.0).mean() > 0.1
    assert np.abs([pose.roll for pose in poses]).max() <= MOST_ROLL
    assert np.std([pose.roll for pose in poses]) > 5.0


def test_the_build_is_wider_than_in_the_plain_population() -> None:
    def relative_spread(population: str) -> float:
        plans = [make_specimen(s, abnormal=False, population=population).plan() for s in range(80)]  # type: ignore[arg-type]
        lengths = [sum(v.length for v in plan.region("L") + plan.region("T")) / plan.thorax_width for plan in plans]
        return float(np.std(lengths) / np.mean(lengths))

    assert relative_spread("wide") > 1.5 * relative_spread("plain")


def test_borderline_severities_are_drawn() -> None:
    mice = [make_specimen(seed, abnormal=True, population="wide") for seed in range(200)]
    severities = [finding.severity for mouse in mice for finding in mouse.findings]
    assert min(severities) < 0.2
    assert min(severities) >= WIDE_SEVERITY[0]


@pytest.mark.parametrize("kind", LEAST_SCORED)
def test_what_no_scorer_would_see_is_drawn_but_has_no_label(kind: str) -> None:
    least = LEAST_SCORED[kind]
    faint, seen = (make_specimen(5, kinds={kind: least + by}, population="wide") for by in (-0.05, 0.0))
    assert (faint.level1, seen.level1) == (0, 1)
    assert not faint.altered_parts
    assert seen.altered_parts
    assert faint.plan() != make_specimen(5, abnormal=False, population="wide").plan()


def test_the_posture_never_changes_the_labels() -> None:
    specimen = make_specimen(9, abnormal=False, population="wide")
    for exposure in range(3):
        render(specimen, LAT, exposure, side=200)
        assert specimen.abnormal_parameter_ids == ()


def test_a_cropped_picture_ends_at_the_tail_and_has_no_landmarks_beyond() -> None:
    found = [picture(seed, DV) for seed in range(25)]
    cropped = [one for one in found if not one.landmarks.present[LANDMARKS.index("Ca24")]]
    assert cropped
    assert any(one.landmarks.present[LANDMARKS.index("S4")] for one in cropped)


def test_pictures_differ_in_tone_polarity_and_resolution() -> None:
    pictures = [decoded(picture(seed, LAT), seed=1) for seed in range(20)]
    means = np.array([one.mean() / (65535 if one.dtype == np.uint16 else 255) for one in pictures])
    assert means.min() < 0.15
    assert means.max() > 0.6
    sides = {max(render(make_specimen(s, population="wide"), DV, 1).mask.shape) for s in range(4)}
    assert len(sides) > 1


def test_most_samples_pass_intake() -> None:
    refused: Counter[str] = Counter()
    samples = [draw(seed, "wide", refused=refused) for seed in range(20)]
    assert sum(sample is not None for sample in samples) >= 10
    assert sum(refused.values()) == sum(sample is None for sample in samples)
