"""Pictures of a run: files as sent, stored views and fused tensors of some specimens, and the rejected files."""

import io
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from services.common.errors import Rejected
from services.common.events import PhenotypeCall
from services.common.events.summary import describe_call
from services.common.keys import original_key
from services.common.store import ObjectStore
from services.demo.cohort import ACCEPTED, SKIPPED
from services.demo.outcome import DemoOutcome, DemoSpecimen
from services.intake.decode import decode
from services.intake.settings import Limits

Tile = NDArray[np.uint8]
"""uint8 [SIDE, SIDE, 3], BGR."""
_SIDE: Final = 240
_CAPTION: Final = 22
_GAP: Final = 6
_REJECTED_COLUMNS: Final = 6
_COLUMNS: Final = (
    "DV as sent",
    "DV view",
    "LAT as sent",
    "LAT view",
    "fused: DV red, LAT green, edges blue",
    "edges of the fused tensor",
)


def write_contact_sheet(path: Path, outcome: DemoOutcome, store: ObjectStore, rows: int = 12) -> None:
    """Write one row per specimen, at most `rows`, with the centres taken in turn.

    The columns are DV as sent, DV view, LAT as sent, LAT view, fused tensor and its edge channel. The fused tensor has
    the mean DV in red, the mean LAT in green and the blended edges in blue.
    """
    head = np.hstack([np.pad(_text([title]), ((0, 0), (0, _GAP), (0, 0))) for title in _COLUMNS])
    _write(path, [head, *(_specimen_row(one, store) for one in _one_of_each_centre(outcome, rows))])


def write_rejected(path: Path, outcome: DemoOutcome) -> int:
    """Draw every rejected file with its defect and the reason; return how many there are (none: no picture)."""
    tiles = [
        _captioned(_as_sent(picture.file.read_bytes()), (f"{one.submission.centre}: {picture.expected}", str(fate)))
        for one in outcome.specimens
        for picture in one.submission.pictures
        if (fate := one.fate(picture)) not in {None, ACCEPTED, SKIPPED}
    ]
    count = len(tiles)
    if tiles:
        tiles += [np.zeros_like(tiles[0])] * (-count % _REJECTED_COLUMNS)
        _write(path, [np.hstack(tiles[at : at + _REJECTED_COLUMNS]) for at in range(0, len(tiles), _REJECTED_COLUMNS)])
    return count


def _one_of_each_centre(outcome: DemoOutcome, rows: int) -> list[DemoSpecimen]:
    by_centre: dict[str, list[DemoSpecimen]] = {}
    for one in outcome.specimens:
        if one.call is not None:
            by_centre.setdefault(one.submission.centre, []).append(one)
    longest = max(map(len, by_centre.values()), default=0)
    in_turn = [ones[turn] for turn in range(longest) for ones in by_centre.values() if turn < len(ones)]
    return sorted(in_turn[:rows], key=lambda one: one.submission.centre)


def _specimen_row(one: DemoSpecimen, store: ObjectStore) -> NDArray[np.uint8]:
    assert one.call is not None  # noqa: S101 - only specimens with a call are chosen
    tiles = [*_view_tiles(one.call, store), *_tensor_tiles(one.call, store)]
    lines = (
        (one.submission.centre, one.biological_sample_id),
        (f"{one.call.revision} images in total", ""),
        ("", ""),
        ("", ""),
        (f"truth: {one.submission.true_labels()}", f"call: {describe_call(one.call)}"),
        (f"P(abnormal) {one.call.consensus.level1:.2f}", ""),
    )
    return np.hstack([_captioned(tile, caption) for tile, caption in zip(tiles, lines, strict=True)])


def _view_tiles(call: PhenotypeCall, store: ObjectStore) -> Iterator[Tile]:
    for side in ("DV", "LAT"):
        view = next(view for view in call.views if view.view == side)
        yield _as_sent(store.get(original_key(view.image_sha256)))
        stored = cv2.imdecode(np.frombuffer(store.get(view.view_key), np.uint8), cv2.IMREAD_GRAYSCALE)
        yield _fitted(np.asarray(stored, np.uint8))


def _tensor_tiles(call: PhenotypeCall, store: ObjectStore) -> Iterator[Tile]:
    tensor = np.load(io.BytesIO(store.get(call.tensor_key)), allow_pickle=False)
    yield _fitted(tensor[:, :, ::-1])
    yield _fitted(tensor[:, :, 2])


def _as_sent(data: bytes) -> Tile:
    """Show a file's own pixels, or a note if it cannot be decoded."""
    try:
        pixels = decode(data, Limits()).pixels
    except Rejected:
        return np.vstack([_text(["cannot be decoded"]), np.zeros((_SIDE - _CAPTION, _SIDE, 3), np.uint8)])
    return _fitted((pixels / np.iinfo(pixels.dtype).max * 255).astype(np.uint8))


def _fitted(picture: NDArray[np.uint8]) -> Tile:
    """Shrink an image into the centre of a square tile."""
    if picture.ndim == 2:
        picture = np.repeat(picture[:, :, None], 3, axis=2)
    height, width = (max(1, round(size * _SIDE / max(picture.shape[:2]))) for size in picture.shape[:2])
    tile = np.zeros((_SIDE, _SIDE, 3), np.uint8)
    top, left = (_SIDE - height) // 2, (_SIDE - width) // 2
    small = cv2.resize(np.ascontiguousarray(picture), (width, height), interpolation=cv2.INTER_AREA)
    tile[top : top + height, left : left + width] = small
    return tile


def _captioned(tile: Tile, lines: Sequence[str]) -> NDArray[np.uint8]:
    """Put lines of text below a tile."""
    return np.pad(np.vstack([tile, _text(lines)]), ((0, _GAP), (0, _GAP), (0, 0)))


def _text(lines: Sequence[str]) -> NDArray[np.uint8]:
    """Draw lines of text as wide as a tile; OpenCV's fonts have ASCII only."""
    strip = np.zeros((_CAPTION * len(lines), _SIDE, 3), np.uint8)
    for number, line in enumerate(lines):
        plain = line.encode("ascii", "replace").decode()
        at = (3, _CAPTION * number + 15)
        cv2.putText(strip, plain, at, cv2.FONT_HERSHEY_SIMPLEX, 0.37, (220, 220, 220), 1, cv2.LINE_AA)
    return strip


def _write(path: Path, rows: Iterable[NDArray[np.uint8]]) -> None:
    done, data = cv2.imencode(path.suffix, np.vstack(list(rows)))
    if not done:
        raise RuntimeError(f"OpenCV could not write {path}")
    path.write_bytes(data.tobytes())
