"""Mice with the bones of a skeleton of meshes; the skeleton here is a toy of balls and tubes."""

import os
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from services.common.errors import Rejected
from tests.training.simulation.toy_skeleton import ball, write_toy_skeleton
from training.simulation import LANDMARKS, Radiograph, SimulatedSpecimen, encode, render
from training.simulation.abnormalities.catalogue import CATALOGUE
from training.simulation.anatomy.pose import DV, LAT
from training.simulation.imaging.projection import thicknesses
from training.simulation.imaging.rays import Grid
from training.simulation.imaging.triangles import Triangles, sum_triangles
from training.simulation.skeleton.bones import load_skeleton
from training.simulation.skeleton.files import read_bones
from training.simulation.skeleton.meshes import BoneMesh, closed, coarsened, cut, hollow, joined, loose_parts
from training.simulation.skeleton.posture import draw_posture
from training.simulation.skeleton.specimen import FIRST_SEED, make_skeleton_specimen, not_drawn
from training.simulation.solids import rotation
from training.simulation.specimen import counts, normal_counts

REAL = os.environ.get("XRAY_TEST_SKELETON", "")


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy_skeleton(tmp_path_factory.mktemp("skeleton"))


def grid(axes: np.ndarray, step: float = 0.05) -> Grid:
    return Grid(axes, axes[:, :2] @ np.array([-8.0, -8.0]), step, 320, 320)


def solid(mesh: BoneMesh) -> Triangles:
    faces = len(mesh.faces)
    return Triangles(mesh.vertices, mesh.faces, np.ones(faces), np.zeros(faces, np.int64))


@pytest.mark.parametrize("mirrored", [1.0, -1.0])
def test_the_thickness_of_a_mesh_is_the_way_of_the_ray_through_it(mirrored: float) -> None:
    mesh = ball((0.3, -0.2, 40.0), (5.0, 3.0, 4.0), 40, 60)
    axes = rotation(pitch=20.0, yaw=35.0, roll=10.0) * np.array([mirrored, 1.0, 1.0])
    centre = axes[:, :2].T @ np.array([0.3, -0.2, 40.0])
    on = Grid(axes, axes[:, :2] @ (centre - 8.0), 0.05, 320, 320)
    thick = sum_triangles(solid(mesh), on)[0]
    assert thick.sum() * 0.05**2 == pytest.approx(mesh.volume(), rel=1e-3)
    ray = axes[:, 2]
    chord = 2.0 / np.sqrt(((ray / np.array([5.0, 3.0, 4.0])) ** 2).sum())
    assert thick[160, 160] == pytest.approx(chord, rel=0.01)
    assert thick.min() > -1e-9


def test_a_layer_holds_the_thickness_of_its_members_only() -> None:
    two = solid(joined([ball((-4, 0, 0), (2, 2, 2)), ball((4, 0, 0), (2, 2, 2))]))
    member = np.zeros((len(two.faces), 2), dtype=np.bool_)
    member[: len(member) // 2, 0], member[len(member) // 2 :, 1] = True, True
    first, second = sum_triangles(two, grid(np.eye(3)), member)
    assert first[160, 80] > 3.5
    assert first[160, 240] == second[160, 80] == 0.0


def test_parts_cuts_and_coarsening_stay_closed_and_keep_the_volume() -> None:
    mesh = ball((0, 0, 0), (6, 4, 3), 24, 36)
    open_mesh = BoneMesh(mesh.vertices, mesh.faces[3:])
    assert closed(open_mesh).volume() == pytest.approx(mesh.volume(), rel=0.01)
    first, second = cut(mesh, mesh.vertices[:, 0] > 1.0)
    assert first.volume() + second.volume() == pytest.approx(mesh.volume(), rel=1e-6)
    assert first.volume() > 0.2 * mesh.volume()
    coarse = coarsened(mesh, 0.8)
    assert len(coarse.faces) < 0.7 * len(mesh.faces)
    assert coarse.volume() == pytest.approx(mesh.volume(), rel=0.05)
    parts = loose_parts(joined([ball((0, 0, 0), (1, 1, 1)), mesh.with_vertices(mesh.vertices + 20.0)]))
    assert [len(part.vertices) for part in parts] == [len(mesh.vertices), len(ball((0, 0, 0), (1, 1, 1)).vertices)]


def test_marrow_leaves_a_wall_and_never_pierces_a_thin_bone() -> None:
    thick, thin = ball((0, 0, 0), (5, 4, 4), 20, 30), ball((0, 0, 0), (6, 5, 0.2), 20, 30)
    assert thick.with_vertices(hollow(thick, 0.5)).volume() == pytest.approx(4 / 3 * np.pi * 4.5 * 3.5**2, rel=0.05)
    assert 0.0 < thin.with_vertices(hollow(thin, 0.5)).volume() < thin.volume()


def test_a_folder_without_a_skeleton_and_a_skeleton_without_a_bone_are_refused(tmp_path: Path) -> None:
    with pytest.raises(Rejected, match="0 XML and 0 NPZ files") as refused:
        load_skeleton(tmp_path)
    assert refused.value.reason == "no_skeleton"
    with pytest.raises(Rejected, match="no bone LFemur") as refused:
        load_skeleton(write_toy_skeleton(tmp_path / "legless", leave_out="LFemur"))
    assert refused.value.reason == "missing_bone"
    broken = write_toy_skeleton(tmp_path / "broken")
    (broken / "toy.xml").write_text("<mujoco>")
    with pytest.raises(Rejected) as refused:
        load_skeleton(broken)
    assert refused.value.reason == "unreadable_skeleton"


def test_bones_are_read_in_millimetres_cranial_left_dorsal(toy: Path) -> None:
    bones = read_bones(toy)
    assert bones["LFemur"].joint == pytest.approx([6.0, 5.5, 0.0])
    assert bones["Lumbar6"].joint == pytest.approx([12.0, 0.0, 0.0])
    assert bones["Head"].joint[0] > bones["Cervical1"].joint[0] > bones["Thoracic1"].joint[0]


def test_a_skeleton_gets_the_usual_formula(toy: Path) -> None:
    """Eight cervical bones become seven of the same length, a short tail 28; the last rib is a shorter copy."""
    skeleton = load_skeleton(toy)
    regions = [name.rstrip("0123456789") for name in skeleton.vertebrae]
    assert {region: regions.count(region) for region in regions} == {"C": 7, "T": 13, "L": 6, "Ca": 28, "S": 4}
    assert sum(skeleton.vertebrae[f"C{n}"].step for n in range(1, 8)) == pytest.approx(8 * 0.9)
    assert set(skeleton.ribs) == set(range(14))
    volumes = [skeleton.ribs[level].bone.outer.box()[0, 2] for level in (11, 12, 13)]
    assert volumes[0] < volumes[1] < volumes[2] < 0.5
    assert [len(paw.digits) for paw in skeleton.paws.values()] == [5, 5]


def test_the_same_seed_gives_the_same_mouse_file_and_labels(toy: Path) -> None:
    first, second = (make_skeleton_specimen(toy, FIRST_SEED + 4, abnormal=True) for _ in range(2))
    assert first == second
    assert isinstance(first, SimulatedSpecimen)
    assert first.level1 == 1
    assert encode(render(first, DV, 1, side=300)).data == encode(render(second, DV, 1, side=300)).data
    assert make_skeleton_specimen(toy, FIRST_SEED + 5).biological_sample_id == str(100_000 + FIRST_SEED + 5)


def test_controls_are_normal_and_counts_are_those_of_a_normal_mouse(toy: Path) -> None:
    control = make_skeleton_specimen(toy, FIRST_SEED, control=True, abnormal=True)
    assert (control.control, control.findings, control.level1) == (True, (), 0)
    assert normal_counts(control.plan()) == set(counts(control.plan()))


@cache
def bone(specimen: SimulatedSpecimen, view: str) -> np.ndarray:
    """Bone thickness on a coarse grid, in one posture for all specimens of a seed."""
    mouse = specimen.mouse(specimen.pose(view, np.random.default_rng(1)))
    axes = np.array([[0.0, -1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, -1.0]])
    if view == LAT:
        axes = np.array([[0.0, -1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]])
    middle = mouse.triangles.vertices.mean(axis=0) @ axes[:, :2]
    return thicknesses(mouse, Grid(axes, axes[:, :2] @ (middle - 80.0), 0.8, 200, 200), ()).bone


@pytest.mark.parametrize("kind", [kind for kind in CATALOGUE if kind != "clavicle"])
def test_every_kind_changes_the_bones_and_sets_the_same_observations_as_in_our_own_mice(toy: Path, kind: str) -> None:
    specimen = make_skeleton_specimen(toy, FIRST_SEED + 11, kinds={kind: 0.9})
    normal = make_skeleton_specimen(toy, FIRST_SEED + 11, abnormal=False)
    assert specimen.abnormal_parameter_ids
    view = LAT if kind in {"kyphosis", "lordosis", "mandible", "teeth"} else DV
    assert np.abs(bone(specimen, view) - bone(normal, view)).max() > 0.05


def test_a_kind_without_its_bone_is_never_drawn(toy: Path, tmp_path: Path) -> None:
    assert not_drawn(toy) == ("clavicle",)
    lacking = write_toy_skeleton(tmp_path, leave_out="fibula")
    assert not_drawn(lacking) == ("clavicle", "fibula")
    specimens = [make_skeleton_specimen(lacking, FIRST_SEED + n, abnormal=True) for n in range(150)]
    drawn = {finding.kind for specimen in specimens for finding in specimen.findings}
    assert not drawn & {"clavicle", "fibula"}
    assert len(drawn) > 25


def inside(radiograph: Radiograph) -> float:
    """Share of the landmarks of bones that are on the animal."""
    chosen = radiograph.landmarks.present
    columns, rows = np.rint(radiograph.landmarks.points[chosen]).astype(int).T
    height, width = radiograph.mask.shape
    return float(radiograph.mask[np.clip(rows, 0, height - 1), np.clip(columns, 0, width - 1)].mean())


@pytest.mark.parametrize("view", [DV, LAT])
def test_every_landmark_of_a_normal_mouse_is_on_the_animal(toy: Path, view: str) -> None:
    radiograph = render(make_skeleton_specimen(toy, FIRST_SEED + 7, abnormal=False), view, 1, side=500)
    absent = {name for name, there in zip(LANDMARKS, radiograph.landmarks.present, strict=True) if not there}
    assert absent == {"T14", "rib.left.14", "rib.right.14", "Ca29", "Ca30", "Ca31", "Ca32"}
    assert inside(radiograph) > 0.98


def test_postures_are_wide_and_the_tail_lies_to_the_animals_left_in_dv(toy: Path) -> None:
    rng = np.random.default_rng(2)
    lateral = [draw_posture(LAT, rng) for _ in range(300)]
    assert min(p.back_bend for p in lateral) < 5.0
    assert max(p.back_bend for p in lateral) > 45.0
    assert 10.0 < max(abs(p.roll) for p in lateral) <= 15.0
    mouse = make_skeleton_specimen(toy, FIRST_SEED + 3, abnormal=False)
    for seed in range(5):
        posed = mouse.mouse(mouse.pose(DV, np.random.default_rng(seed)))
        tail = posed.landmarks[[LANDMARKS.index(f"Ca{n}") for n in range(10, 29)]]
        assert tail[:, 1].mean() > posed.rump[1]


@pytest.mark.skipif(not REAL, reason="XRAY_TEST_SKELETON names no folder")
@pytest.mark.parametrize("view", [DV, LAT])
def test_the_real_skeleton_has_its_landmarks_on_the_animal(view: str) -> None:
    for seed in range(3):
        radiograph = render(make_skeleton_specimen(Path(REAL), FIRST_SEED + seed, abnormal=False), view, 1, side=700)
        assert inside(radiograph) > 0.98
