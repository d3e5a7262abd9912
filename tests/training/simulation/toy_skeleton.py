"""A small articulated skeleton of balls and tubes in the format of `training.simulation.skeleton.files`."""

from pathlib import Path

import numpy as np

from training.simulation.skeleton.meshes import BoneMesh, joined

_NECK, _CHEST, _LOIN, _TAIL = 8, 13, 6, 5
_MM = 1e-3
Triple = tuple[float, float, float]


def ball(at: Triple, size: tuple[float, float, float], rings: int = 6, around: int = 10) -> BoneMesh:
    """A closed ellipsoid with its centre and semi-axes."""
    polar = np.linspace(0.0, np.pi, rings + 1)[1:-1]
    turn = np.linspace(0.0, 2.0 * np.pi, around, endpoint=False)
    ring = np.array([[np.sin(p) * np.cos(t), np.sin(p) * np.sin(t), np.cos(p)] for p in polar for t in turn])
    vertices = np.vstack(([0.0, 0.0, 1.0], ring, [0.0, 0.0, -1.0])) * size + at
    last, faces = len(vertices) - 1, []
    for k in range(around):
        after = (k + 1) % around
        faces += [[0, 1 + k, 1 + after], [last, last - around + after, last - around + k]]
        for row in range(rings - 2):
            here, below = 1 + row * around, 1 + (row + 1) * around
            faces += [[here + k, below + k, below + after], [here + k, below + after, here + after]]
    return BoneMesh(vertices, np.array(faces))


def rib(side: float, depth: float) -> BoneMesh:
    """A closed tube from the spine around the chest to the midline below; in (right, cranial, dorsal)."""
    angle = np.linspace(0.25, 2.9, 14)
    centres = np.column_stack((side * 8.0 * np.sin(angle), np.zeros(14), 0.5 * depth * (np.cos(angle) - 1.0)))
    radial = np.column_stack((side * np.sin(angle), np.zeros(14), np.cos(angle)))
    turn = np.linspace(0.0, 2.0 * np.pi, 6, endpoint=False)
    across = np.array([0.0, 1.0, 0.0])
    ring = np.cos(turn)[:, None] * radial[:, None] + np.sin(turn)[:, None] * across
    rings = centres[:, None] + 0.3 * ring
    vertices, faces = np.vstack((*rings, centres[:1], centres[-1:])), []
    for k in range(6):
        after = (k + 1) % 6
        faces += [[len(vertices) - 2, k, after], [len(vertices) - 1, 78 + after, 78 + k]]
        for row in range(13):
            here, next_ = row * 6, row * 6 + 6
            faces += [[here + k, next_ + k, next_ + after], [here + k, next_ + after, here + after]]
    mesh = BoneMesh(vertices, np.array(faces))
    return mesh if mesh.volume() > 0 else BoneMesh(vertices, mesh.faces[:, ::-1])


def write_toy_skeleton(folder: Path, leave_out: str = "") -> Path:
    """Write the XML and NPZ files of the skeleton, without one bone (or `fibula`); returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    tree = _Tree(leave_out)
    tree.bone(
        "Pelvis", (0, 0, 0), joined([_hip(), *(ball((0, 1.3 + 2.7 * n, 0.8), (1.8, 1.2, 1.4)) for n in range(4))])
    )
    tail = [f"Tail{n}" for n in range(1, _TAIL + 1)]
    for name in tail:
        tree.bone(name, (0, -3.0 if name != "Tail1" else 0, 0), ball((0, -1.5, 0), (0.7, 1.4, 0.7)))
    tree.close(len(tail))
    for side, sign in (("L", -1.0), ("R", 1.0)):
        _limb(tree, side, HIND, (5.5 * sign, 6, 0), (20, 24))
    steps = [("Lumbar", _LOIN, 3.5), ("Thoracic", _CHEST, 2.0), ("Cervical", _NECK, 0.9)]
    place = 12.0
    for region, count, step in steps:
        for number in range(count, 0, -1):
            parts = [ball((0, step / 2, 0.4), (1.5, step * 0.48, 1.5))]
            if region == "Thoracic" and number < _CHEST:
                parts += [rib(side, min(9.0 + number, 16.0)) for side in (1.0, -1.0)]
            tree.bone(f"{region}{number}", (0, place, 0), joined(parts))
            place = step
    tree.bone("Head", (0, 0.9, 0), _head())
    tree.close(1 + _NECK + _CHEST - 1)
    for side, sign in (("L", -1.0), ("R", 1.0)):
        tree.bone(f"{side}Scapula", (6.5 * sign, 3, -5.5), ball((0, -6.0, 0.5), (0.5, 6.5, 2.5)))
        _limb(tree, side, FORE, (0, 0, 0), (13, 15))
        tree.close(1)
    return tree.write(folder)


def _hip() -> BoneMesh:
    """Both hip bones as one connected mesh with more vertices than a sacral vertebra."""
    return ball((0, 6, -1), (5.5, 9, 1.5), rings=12, around=16)


def _head() -> BoneMesh:
    cranium, mandible = ball((0, 10.5, 3), (6, 11, 5), 14, 20), ball((0, 9.5, -2.5), (4, 5, 1.2), 10, 14)
    teeth = [ball((0.0, 18.3, -2.5), (1, 1.4, 1.5)), ball((0.0, 15.5, -3.2), (1, 2.2, 0.6))]
    return joined([cranium, mandible, *teeth, *(ball((x, 10, 0), (0.5, 0.8, 0.6)) for x in (-2.5, 2.5))])


class _Tree:
    """Collects nested bodies and their meshes; lengths in millimetres."""

    def __init__(self, leave_out: str) -> None:
        self.leave_out = leave_out
        self.lines: list[str] = []
        self.arrays: dict[str, np.ndarray] = {}
        self.open = 0

    def bone(self, name: str, at: Triple, mesh: BoneMesh) -> None:
        position = " ".join(str(value * _MM) for value in at)
        self.lines.append(f'<body name="toy__{name}" pos="{position}"><geom type="mesh" mesh="{name}"/>')
        self.open += 1
        if name != self.leave_out:
            self.arrays |= {f"{name}__v": mesh.vertices * _MM, f"{name}__f": mesh.faces}

    def close(self, count: int) -> None:
        self.lines.append("</body>" * count)
        self.open -= count

    def write(self, folder: Path) -> Path:
        body = "\n".join([*self.lines, "</body>" * self.open])
        (folder / "toy.xml").write_text(f'<mujoco><worldbody><body quat="0 0 0 1">{body}</body></worldbody></mujoco>')
        np.savez(folder / "toy.npz", allow_pickle=False, **self.arrays)
        return folder


HIND = ("Femur", "Tibia", "Tarsus", "Metatarsus", "BPhalange")
FORE = ("Humerus", "Ulna", "Carpus", "MetaCarpus", "FPhalange")


def _limb(tree: _Tree, side: str, names: tuple[str, ...], at: Triple, lengths: tuple[float, float]) -> None:
    """Upper and lower bone, wrist or ankle, and four digits; open at the end is what was open before."""
    upper, lower, wrist, metacarpal, phalanx = names
    first, second = lengths
    sign, down = -1.0 if side == "L" else 1.0, names is FORE
    tree.bone(f"{side}{upper}", at, ball((0, 0, -first / 2), (1.4, 1.4, first / 2)))
    shin = [ball((0, 0, -second / 2), (1.2, 1.2, second / 2))]
    if not down and tree.leave_out != "fibula":
        shin.append(ball((sign * 1.8, 0, -8), (0.3, 0.3, 7), 5, 8))
    tree.bone(f"{side}{lower}", (0, 0, -first), joined(shin))
    if down:
        tree.bone(f"{side}Radius", (0.4 * sign, 0.4, 0), ball((0, 0, -second / 2), (0.5, 0.5, second / 2)))
    tree.bone(f"{side}{wrist}", (0, 0, -second), ball((0, 0, -0.8), (1.2, 0.9, 0.8)))
    for number in range(1, 5):
        x = sign * (number - 2.5) * -0.7
        long = ball((0, 0, -1.6), (0.3, 0.3, 1.6)) if down else ball((0, 3.5, 0), (0.4, 3.4, 0.4))
        tree.bone(f"{side}{metacarpal}{number}", (x, 0, -1.5) if down else (x, 2, -1), long)
        steps = [(0, 0, -0.9 - 1.7 * n) if down else (0, 1.2 + 2.3 * n, 0) for n in range(3)]
        size = (0.28, 0.28, 0.8) if down else (0.35, 1.1, 0.35)
        toes = joined([ball(one, size) for one in steps])
        tree.bone(f"{side}{phalanx}{number}", (0, 0, -3.3) if down else (0, 7, 0), toes)
        tree.close(2)
    tree.close(4 if down else 3)
