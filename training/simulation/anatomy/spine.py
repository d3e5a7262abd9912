"""The vertebral column: a chain of frames from the atlas to the tip of the tail, and the bones along it."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from training.simulation.anatomy.plan import CAUDAL, CERVICAL, LUMBAR, SACRAL, THORACIC, BodyPlan, Vertebra
from training.simulation.anatomy.pose import LAT, Pose
from training.simulation.solids import Frame, Points, Solids, rotation

_SACRAL_WINGS: Final = (1.05, 0.85, 0.4, 0.3)


@dataclass(frozen=True, slots=True)
class Column:
    """The vertebrae, each with the frame at the middle of its body."""

    vertebrae: tuple[Vertebra, ...]
    frames: tuple[Frame, ...]

    def of(self, region: str) -> list[tuple[Vertebra, Frame]]:
        """Vertebrae of one region with their frames, cranial first."""
        return [(v, f) for v, f in zip(self.vertebrae, self.frames, strict=True) if v.region == region]

    def at_level(self, level: int) -> Frame:
        """Frame of the vertebra `level` places caudal to the first thoracic."""
        first = next(i for i, v in enumerate(self.vertebrae) if v.region == THORACIC)
        return self.frames[first + level]


def lay_column(plan: BodyPlan, pose: Pose) -> Column:
    """Place the vertebrae from the atlas to the tip of the tail; the first one's cranial end is the world origin."""
    pitch, yaw = _headings(plan, pose)
    place = np.zeros(3)
    frames = []
    for vertebra, up, left in zip(plan.vertebrae, pitch, yaw, strict=True):
        axes = rotation(pitch=-up, yaw=-left)
        caudal = -axes[:, 0]
        half = 0.5 * vertebra.length
        frames.append(Frame(place + caudal * half, axes))
        place = place + caudal * (2.0 * half + vertebra.disc * (1.0 - vertebra.fused))
    return Column(tuple(plan.vertebrae), tuple(frames))


def _headings(plan: BodyPlan, pose: Pose) -> tuple[Points, Points]:
    """Pitch and yaw of every vertebra's caudal direction: those of the plan plus those of the posture."""
    pitch = np.array([v.pitch for v in plan.vertebrae])
    yaw = np.array([v.yaw for v in plan.vertebrae])
    tail = np.array([v.region == CAUDAL for v in plan.vertebrae])
    neck = np.array([v.region == CERVICAL for v in plan.vertebrae])
    trunk = np.cumsum(~tail & ~neck) / max(int((~tail & ~neck).sum()), 1)
    bend = pose.back_bend * (trunk**pose.bend_shape - 0.5**pose.bend_shape) * ~tail
    fade = np.where(neck, 1.0 - np.cumsum(neck) / 8.0, 0.0)
    if pose.view == LAT:
        pitch = pitch - bend
    else:
        yaw = yaw + bend
    yaw = yaw - pose.neck_yaw * fade
    pitch = pitch + pose.neck_pitch * fade
    count = int(tail.sum())
    if count:
        tail_pitch, tail_yaw = _tail(count, float(pitch[~tail][-1]), float(yaw[~tail][-1]), pose)
        pitch[tail] += tail_pitch
        yaw[tail] += tail_yaw
    return pitch, yaw


def _tail(count: int, pitch: float, yaw: float, pose: Pose) -> tuple[Points, Points]:
    place = np.linspace(0.0, 1.0, 28)[:count] if count <= 28 else np.linspace(0.0, 1.0, count)
    settle = np.exp(-place * 9.0)
    curve = pose.tail_turn * place**pose.tail_shape + pose.tail_sway * np.sin(place * 2.0 * np.pi)
    curve = curve + pose.tail_start * np.minimum(place * 6.0, 1.0)
    if pose.view == LAT:
        return pitch * settle + curve, yaw * np.ones(count)
    return (pitch - 4.0) * settle, yaw + curve


def build_column(solids: Solids, column: Column) -> None:
    """Add every vertebra's bone to the solids."""
    for index, (vertebra, frame) in enumerate(zip(column.vertebrae, column.frames, strict=True)):
        _body(solids, vertebra, frame)
        if vertebra.region == CAUDAL:
            _caudal_processes(solids, vertebra, frame)
        else:
            _arch(solids, vertebra, frame)
        if vertebra.fused or vertebra.arch_fused:
            _bridge(solids, column, index)


def _body(solids: Solids, vertebra: Vertebra, frame: Frame) -> None:
    """A hollow cylinder with a waist and dense end plates; a wedge shortens one side."""
    half, radius = 0.5 * vertebra.length, vertebra.radius
    lean = vertebra.wedge * radius * 0.55
    cuts = np.array([half, half * 0.62, 0.0, -half * 0.62, -half])
    waist = (
        np.array([1.0, 0.82, 0.68, 0.82, 1.0]) if vertebra.region == CAUDAL else np.array([1.0, 0.93, 0.88, 0.93, 1.0])
    )
    waist = waist + (1.0 - waist) * vertebra.fused * 0.8
    points = np.zeros((5, 3))
    points[:, 0] = cuts * (1.0 - 0.42 * abs(vertebra.wedge))
    points[:, 1] = -lean
    narrow = radius * waist * (1.0 - 0.28 * abs(vertebra.wedge))
    path = frame.at(points)
    solids.chain(vertebra.name, path, narrow, 0.72, marrow=0.72)
    plate = min(0.16, half * 0.4)
    ends = np.array([[half, 0, 0], [plate - half, 0, 0]]) * (1.0 - 0.42 * abs(vertebra.wedge)) + [0, -lean, 0]
    inner = ends - [plate, 0, 0]
    solids.tubes(vertebra.name, frame.at(ends), frame.at(inner), narrow[0] * 1.04, 0.6)


def _arch(solids: Solids, vertebra: Vertebra, frame: Frame) -> None:
    """Neural arch, spinous and transverse processes, articular processes; each has two ends (cranial, left, dorsal)."""
    half, r = 0.5 * vertebra.length, vertebra.radius
    canal = r + 1.5
    rows: list[tuple[float, ...]] = [
        (-0.1 * half, side * r * 0.9, 0.3 * r, -0.3 * half, side * 0.75 * r, canal, 0.26) for side in (1, -1)
    ]
    rows += [(-0.3 * half, side * 0.8 * r, canal, -0.4 * half, 0.0, canal + 0.45, 0.26) for side in (1, -1)]
    rows += [
        (0.8 * half, side * 1.05 * r, canal - 0.4, -1.15 * half, side * 0.85 * r, canal - 0.1, 0.24) for side in (1, -1)
    ]
    if vertebra.spinous > 0:
        rows.append(_spinous(vertebra, half, canal))
    for side, length in ((1, vertebra.transverse_left), (-1, vertebra.transverse_right)):
        if length > 0:
            rows.append(_transverse(vertebra, half, side, length))
    table = np.array(rows)
    radii = np.column_stack((table[:, 6], table[:, 6] * 0.75))
    solids.tubes(vertebra.name, frame.at(table[:, 0:3]), frame.at(table[:, 3:6]), radii, 0.75)


def _spinous(vertebra: Vertebra, half: float, canal: float) -> tuple[float, ...]:
    height = {CERVICAL: 0.6, THORACIC: 1.3, LUMBAR: 1.5, SACRAL: 1.4}[vertebra.region]
    back = {CERVICAL: 0.2, THORACIC: -1.5, LUMBAR: 0.7, SACRAL: -0.2}[vertebra.region]
    if vertebra.name == "C2":
        height, back = 1.7, -0.6
    if vertebra.name == "T2":
        height, back = 2.6, -0.6
    if vertebra.region == THORACIC and vertebra.number >= 11:
        back = 0.5
    top = canal + 0.3 + height * vertebra.spinous
    return (-0.4 * half, 0.0, canal + 0.3, -0.4 * half + back * vertebra.spinous, 0.0, top, 0.27)


def _transverse(vertebra: Vertebra, half: float, side: int, stretch: float) -> tuple[float, ...]:
    out = {CERVICAL: 1.3, THORACIC: 1.0, LUMBAR: 2.1, SACRAL: 2.1}[vertebra.region] * stretch
    forward = {CERVICAL: -0.5, THORACIC: 0.2, LUMBAR: 1.4, SACRAL: 0.2}[vertebra.region] * stretch
    down = {CERVICAL: 0.0, THORACIC: 0.7, LUMBAR: -0.6, SACRAL: 0.1}[vertebra.region]
    thick = {CERVICAL: 0.33, THORACIC: 0.28, LUMBAR: 0.33, SACRAL: 0.7}[vertebra.region] * min(stretch, 1.3)
    r = vertebra.radius
    if vertebra.region == SACRAL:
        # Only the first wings reach the ilium.
        share = _SACRAL_WINGS[min(vertebra.number, len(_SACRAL_WINGS)) - 1]
        out, thick = out * share, thick * (0.3 + 0.7 * share)
    base = 0.3 * half if vertebra.region == LUMBAR else 0.0
    return (base, side * 0.6 * r, 0.1 * r, base + forward, side * (r + out), down, thick)


def _caudal_processes(solids: Solids, vertebra: Vertebra, frame: Frame) -> None:
    """Side wings of the first tail vertebrae and small tubercles at the ends of the others."""
    half, r = 0.5 * vertebra.length, vertebra.radius
    wing = max(1.0 - (vertebra.number - 1) / 6.0, 0.12)
    rows = []
    for side, length in ((1, vertebra.transverse_left), (-1, vertebra.transverse_right)):
        for end in (0.86, -0.86):
            out = r + (1.4 * wing if end > 0 else 0.35 * wing) * length
            swept = end * half - 0.7 * wing * (end > 0)
            rows.append((end * half, side * 0.5 * r, 0.0, swept, side * out, 0.0, 0.3 * r + 0.08 * wing))
    if vertebra.number <= 5 or vertebra.spinous > 0:
        height = max(0.9 * wing, vertebra.spinous * 0.9)
        rows.append((0.2 * half, 0.0, 0.5 * r, -0.3 * half, 0.0, r + height, 0.25))
    table = np.array(rows)
    solids.tubes(vertebra.name, frame.at(table[:, 0:3]), frame.at(table[:, 3:6]), table[:, 6], 0.75)


def _bridge(solids: Solids, column: Column, index: int) -> None:
    """Bone in place of the disc, or between neighbouring processes, caudal to a fused vertebra."""
    if index + 1 >= len(column.frames):
        return
    vertebra, here, there = column.vertebrae[index], column.frames[index], column.frames[index + 1]
    half = 0.5 * vertebra.length
    next_half = 0.5 * column.vertebrae[index + 1].length
    radius = vertebra.radius
    if vertebra.fused:
        start, end = here.at([-0.5 * half, 0, 0]), there.at([0.5 * next_half, 0, 0])
        thick = radius * (0.75 + 0.35 * vertebra.fused)
        solids.tubes(vertebra.name, start[None], end[None], thick, 0.55 * vertebra.fused)
    if vertebra.arch_fused:
        high = radius + 2.3
        start, end = here.at([-0.3 * half, 0, high]), there.at([0.0, 0, high])
        solids.tubes(vertebra.name, start[None], end[None], 0.75 * vertebra.arch_fused, 0.9)
