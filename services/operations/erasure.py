"""Erases images: their originals, views and tensors. What was erased, by whom and why, stays on record.

An image is a file, by its SHA-256, and is erased wherever it was announced. Every step may be repeated, and the record
of the erasure comes first, so a run that was killed is finished by the same command. A view keeps its key with an empty
object, because a specimen's revision is the number of its keys (docs/delivery.md).
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, combinations
from math import prod
from typing import Final, Protocol

from services.common.erasure import ErasureRecord
from services.common.errors import Rejected
from services.common.events import ImageWithdrawal, SpecimenView
from services.common.events.base import View
from services.common.keys import (
    StoredView,
    StoredWithdrawal,
    erasure_key,
    original_key,
    parse_specimen_key,
    specimen_prefix,
    tensor_key,
    withdrawal_key,
)
from services.common.preprocessing import TENSOR_SIDE
from services.ledger.database import Connection
from services.ledger.queries import (
    called_tensors,
    find_specimen,
    refused_originals,
    specimens_with,
    stored_images,
    stored_images_named,
)

MOST_SETS: Final = 1 << 16
"""Sets of views whose tensors are looked for, per specimen and preprocessing version: eight views of each side."""
LEAST_CHARACTERS: Final = 12
"""Of the digest that names an image: a specimen's id may begin the digest of an unrelated image by accident."""
_SIDES: Final[tuple[View, View]] = ("DV", "LAT")

Publish = Callable[[Sequence[ImageWithdrawal]], None]
"""Publishes withdrawals, and returns once the broker has stored them."""


class ErasableStore(Protocol):
    """What erasing needs of object storage; `services.common.store.ObjectStore` documents what each method raises."""

    def put(self, key: str, data: bytes, content_type: str = ...) -> None: ...  # noqa: D102
    def put_new(self, key: str, data: bytes) -> bool: ...  # noqa: D102
    def keys(self, prefix: str, limit: int | None = None) -> list[str]: ...  # noqa: D102
    def exists(self, key: str) -> bool: ...  # noqa: D102
    def delete(self, key: str) -> None: ...  # noqa: D102


@dataclass(frozen=True)
class ErasurePlan:
    """The images to erase (SHA-256), all specimens for which they were announced, and the tensors of their calls."""

    images: tuple[str, ...]
    specimens: tuple[str, ...]
    called_tensors: tuple[str, ...]


@dataclass
class ErasureReport:
    """What one run did. `all_tensors` is False if a specimen has more sets of views than `MOST_SETS`.

    Then tensors of sets that were never called may remain.
    """

    withdrawn: int = 0
    views: int = 0
    tensors: int = 0
    originals: int = 0
    all_tensors: bool = True


def plan_erasure(connection: Connection, wanted: str) -> ErasurePlan:
    """Return what an id stands for: all images of a specimen, or one image by the first characters of SHA-256 or event.

    Raises Rejected: `id_unknown`, `id_ambiguous`, `not_an_image` for the id of a call, review or rejection, `no_image`
    if intake has stored no image of it.
    """
    images = _images(connection, wanted)
    if not images:
        raise Rejected("no_image", f"intake has stored no image of {wanted!r}; see `xray trace`")
    specimens = specimens_with(connection, images)
    return ErasurePlan(tuple(images), tuple(specimens), tuple(called_tensors(connection, specimens, images)))


def _images(connection: Connection, wanted: str) -> list[str]:
    """A file of several specimens makes its digest ambiguous for other commands, but it is one image."""
    named = stored_images_named(connection, wanted) if len(wanted) >= LEAST_CHARACTERS else []
    if len(named) == 1:
        return named
    found = find_specimen(connection, wanted)
    if found is None:
        raise Rejected("id_unknown", f"the ledger knows no specimen and no image {wanted!r}")
    name = found.biological_sample_id
    if name is None or found.kind not in {"specimen", "event", "image"}:
        raise Rejected("not_an_image", f"{wanted!r} is the id of a {found.kind}; give a specimen or an image")
    if found.kind == "specimen":
        return stored_images(connection, name)
    images = stored_images(connection, name, image=wanted)
    if len(wanted) < LEAST_CHARACTERS or len(images) > 1:
        raise Rejected("id_ambiguous", f"{wanted!r} is too short; give at least {LEAST_CHARACTERS} characters, or all")
    return images


def erase(
    store: ErasableStore, publish: Publish, plan: ErasurePlan, *, reason: str, who: str, erased_at: datetime
) -> ErasureReport:
    """Erase everything of a plan; doing it again changes nothing. The first record of an erasure is kept.

    Raises Retriable when the store or the broker is away; the same call then finishes the work.
    """
    report = ErasureReport()
    for image in plan.images:
        record = ErasureRecord(
            image_sha256=image, biological_sample_ids=plan.specimens, reason=reason, who=who, erased_at=erased_at
        )
        store.put_new(erasure_key(image), record.model_dump_json().encode())
    for specimen in plan.specimens:
        stored = [parse_specimen_key(key) for key in store.keys(specimen_prefix(specimen))]
        views = [one for one in stored if isinstance(one, StoredView)]
        erased = [view for view in views if view.image_sha256 in plan.images]
        left = {StoredWithdrawal(one.centre, one.view, one.image_sha256) for one in erased} - set(stored)
        withdrawals = [
            ImageWithdrawal(
                biological_sample_id=specimen,
                centre=one.centre,
                image_sha256=one.image_sha256,
                view=one.view,
                reason=reason,
                who=who,
                withdrawn_at=erased_at,
            )
            for one in left
        ]
        _withdraw(store, publish, withdrawals)
        for view in erased:
            store.put(view.key, b"", "image/png")
        keys, complete = tensor_keys(views, plan)
        report.tensors += _deleted(store, keys)
        report.withdrawn, report.views = report.withdrawn + len(withdrawals), report.views + len(erased)
        report.all_tensors &= complete
    report.originals = _deleted_originals(store, plan.images)
    return report


def _withdraw(store: ErasableStore, publish: Publish, withdrawals: Sequence[ImageWithdrawal]) -> None:
    """Publish withdrawals, then store what the assembler will store: no set that is listed from now on has the views.

    In this order, because the next run withdraws only what has no stored withdrawal.
    """
    publish(withdrawals)
    for one in withdrawals:
        for side in _SIDES if one.view is None else (one.view,):
            key = withdrawal_key(one.biological_sample_id, one.centre, side, one.image_sha256)
            store.put(key, one.encode(), "application/json")


def erase_refused(store: ErasableStore, connection: Connection, before: datetime) -> int:
    """Delete the originals of images that intake last refused before this time; return how many there were.

    They may be announced again: nothing is withdrawn, and no record prevents it. Do not replay these rejections at the
    same time, because an image that is accepted now is not in the ledger yet.
    """
    return _deleted_originals(store, refused_originals(connection, before))


def tensor_keys(views: Iterable[StoredView], plan: ErasurePlan) -> tuple[set[str], bool]:
    """Return the keys of every tensor that may contain an erased image, and whether these are all.

    A tensor's key is a digest of its set of views. Each set with a DV and a LAT may have been fused, called or not.
    """
    keys, complete = set(plan.called_tensors), True
    sides = {TENSOR_SIDE} | {int(key.split("/")[1].rpartition("-")[2]) for key in plan.called_tensors}
    by_version: dict[str, dict[tuple[View, str], SpecimenView]] = {}
    for view in views:
        member = SpecimenView(view=view.view, image_sha256=view.image_sha256, view_key=view.key)
        by_version.setdefault(view.preprocessing_version, {})[view.view, view.image_sha256] = member
    for version, found in by_version.items():
        members = found.values()
        if prod(2 ** sum(one.view == side for one in members) for side in _SIDES) > MOST_SETS:
            complete = False
            continue
        for subset in _sets(members):
            if any(one.image_sha256 in plan.images for one in subset):
                keys |= {tensor_key(version, side, subset) for side in sides}
    return keys, complete


def _sets(members: Collection[SpecimenView]) -> Iterator[tuple[SpecimenView, ...]]:
    dorsoventral, lateral = ([one for one in members if one.view == side] for side in _SIDES)
    for some in _subsets(dorsoventral):
        for others in _subsets(lateral):
            yield (*some, *others)


def _subsets(members: Sequence[SpecimenView]) -> Iterator[tuple[SpecimenView, ...]]:
    return chain.from_iterable(combinations(members, size) for size in range(1, len(members) + 1))


def _deleted(store: ErasableStore, candidates: Iterable[str]) -> int:
    """Delete those of the keys that exist, which listings of their folders show."""
    folders: dict[str, set[str]] = {}
    for key in candidates:
        folders.setdefault(key[: key.rindex("/") + 1], set()).add(key)
    found = [key for folder, keys in folders.items() for key in store.keys(folder) if key in keys]
    for key in found:
        store.delete(key)
    return len(found)


def _deleted_originals(store: ErasableStore, images: Iterable[str]) -> int:
    found = [key for key in map(original_key, images) if store.exists(key)]
    for key in found:
        store.delete(key)
    return len(found)
