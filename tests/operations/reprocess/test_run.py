"""The run with small recorders for ledger, bucket and broker; tests/integration uses the real ones."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, cast

import pytest

from services.common.errors import Rejected
from services.common.events import CallReference, ModelActivation, PhenotypeCall, SpecimenView
from services.common.events.base import now
from services.common.preprocessing import GENERATION, VERSION
from services.common.reprocess import ORIGINAL_HEADER, original_of, reprocess_headers
from services.common.store import ObjectStore
from services.ledger.database import Connection
from services.ledger.queries import KnownSpecimen
from services.operations.reprocess import run as module
from services.operations.reprocess.progress import ReprocessCounts
from services.operations.reprocess.run import Publisher, Reprocessing
from services.operations.reprocess.source import (
    InForce,
    OutdatedTensors,
    Publication,
    ReprocessSource,
    SpecimenStatus,
    standing_of,
    tensor_of,
)
from services.registry.active_models import ActiveModels
from services.registry.references.active import ActiveReferences
from tests.ledger.examples import abstention, call, sha256

OLD = {"convnext": 3, "cae": 3}
NEW = {"convnext": 4, "cae": 3}
OLD_IN_FORCE = InForce(OLD, None, None)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.2)
    monkeypatch.setattr(module, "_LOOK_SECONDS", 0.01)


def today(specimen: str, **fields: Any) -> PhenotypeCall:
    views = tuple(
        SpecimenView(view=view, image_sha256=sha256(view), view_key=f"views/{VERSION}/{specimen}/{view}")
        for view in ("DV", "LAT")
    )
    return call(specimen, generation=GENERATION, views=views, **fields)


def outdated(specimen: str) -> SpecimenStatus:
    one = today(specimen)
    return SpecimenStatus(specimen, "JAX", "outdated", (Publication(tensor_of(one)),), one.revision)


class NoReference:
    def refresh(self) -> None: ...


class World:
    """Calls what is published, unless it is `deaf`; a newer revision of the specimens in `grown` is on its way."""

    def __init__(self, specimens: Sequence[str], *, deaf: Sequence[str] = (), grown: Sequence[str] = ()) -> None:
        self.outdated = set(specimens)
        self.deaf, self.grown = set(deaf), set(grown)
        self.published: list[str] = []
        self.called_live: set[str] = set()

    def publish(self, found: SpecimenStatus, held: Callable[[int], None], overtaken: Callable[[], bool]) -> bool:
        if overtaken():
            return False
        self.published.append(found.biological_sample_id)
        if found.biological_sample_id not in self.deaf:
            self.outdated.discard(found.biological_sample_id)
        return True

    def look(self, specimens: Sequence[KnownSpecimen]) -> list[SpecimenStatus]:
        self.outdated -= self.called_live
        names = [one.biological_sample_id for one in specimens]
        return [
            outdated(name) if name in self.outdated else SpecimenStatus(name, "JAX", "up_to_date") for name in names
        ]

    def keys(self, prefix: str) -> Iterator[str]:
        specimen = prefix.rstrip("/").rpartition("/")[2]
        images = [("DV", 1), ("LAT", 2), *([("DV", 3)] if specimen in self.grown else [])]
        return iter([f"{prefix}{VERSION}/JAX/{view}/{number:064x}.png" for view, number in images])

    def run(self, limit: int | None = None) -> tuple[list[str], ReprocessCounts]:
        counts = ReprocessCounts(len(self.outdated))
        one = Reprocessing(cast(ReprocessSource, self), cast(ObjectStore, Listed(self)), cast(Publisher, self), counts)
        pages = [self.look([KnownSpecimen(name, "JAX") for name in sorted(self.outdated)])]
        return one.run(pages, limit), counts


class Listed:
    def __init__(self, world: World) -> None:
        self._world = world

    def keys(self, prefix: str, limit: int) -> list[str]:
        return list(self._world.keys(prefix))[:limit]


def test_outdated_specimens_are_published_once_and_awaited() -> None:
    world = World(["a", "b"])
    without_result, counts = world.run()
    assert (without_result, world.published, world.outdated) == ([], ["a", "b"], set())
    assert counts.to_json(dry_run=False)["records"] == 2


def test_specimens_without_a_result_are_reported() -> None:
    assert World(["a", "b"], deaf=["b"]).run()[0] == ["b"]


def test_the_limit_counts_specimens() -> None:
    world = World(["a", "b", "c"])
    _, counts = world.run(limit=2)
    assert world.published == ["a", "b"]
    assert counts.to_json(dry_run=False)["total"]["outdated"] == 2


def test_a_specimen_with_a_newer_revision_in_flight_is_not_published() -> None:
    world = World(["a", "b"], grown=["a"])
    world.called_live = {"a"}  # its newer revision, by the active versions
    assert world.run()[0] == []
    assert world.published == ["b"]


def test_a_specimen_whose_newer_revision_was_refused_is_reprocessed_last() -> None:
    world = World(["a", "b"], grown=["a"])
    assert world.run()[0] == []
    assert world.published == ["b", "a"]


@pytest.mark.parametrize(
    ("one", "standing"),
    [
        (None, "uncalled"),
        (today("a"), "outdated"),
        (call("a", generation=GENERATION - 1), "older_preprocessing"),
        (call("a", generation=GENERATION + 1), "up_to_date"),
    ],
)
def test_the_standing_of_a_specimen_follows_its_current_call(one: PhenotypeCall | None, standing: str) -> None:
    assert standing_of(one, InForce(NEW, None, None)) == standing


def test_a_call_of_the_same_versions_is_up_to_date_whatever_its_activation() -> None:
    """After a rollback, calls by the previous versions need no reprocessing."""
    assert standing_of(today("a", activation=1), OLD_IN_FORCE) == "up_to_date"


def test_a_call_or_abstention_under_another_reference_or_set_card_is_outdated() -> None:
    used = CallReference(activation=2, sha256=sha256("reference"))
    one = today("a", reference=used)
    assert standing_of(one, replace(OLD_IN_FORCE, reference=used.sha256)) == "up_to_date"
    assert standing_of(abstention("a", generation=GENERATION, reference=used), OLD_IN_FORCE) == "outdated"
    assert standing_of(one, replace(OLD_IN_FORCE, reference=sha256("another"))) == "outdated"
    assert standing_of(today("a"), replace(OLD_IN_FORCE, set_card=sha256("set card"))) == "outdated"
    none = CallReference(activation=3, sha256=None)  # after a rollback to no reference
    assert standing_of(today("a", reference=none), OLD_IN_FORCE) == "up_to_date"


def test_the_tensor_of_a_call_is_announced_as_it_was() -> None:
    one = today("a")
    event = tensor_of(one)
    assert (event.revision, event.views, event.tensor_key) == (one.revision, one.views, one.tensor_key)
    assert (event.preprocessing_version, event.announced_at) == (VERSION, one.announced_at)


def test_another_activation_meanwhile_stops_the_run() -> None:
    records = [ModelActivation(activation=n, versions=v, why="", produced_at=now()) for n, v in ((1, OLD), (2, NEW))]

    class Active:
        def refresh(self) -> ModelActivation:
            return records.pop(0)

    source = OutdatedTensors(
        cast(Connection, None), cast(ActiveModels, Active()), cast(ActiveReferences, NoReference())
    )
    with pytest.raises(Rejected) as caught:
        source.look([KnownSpecimen("a", "JAX")])
    assert caught.value.reason == "activation_changed"


def test_the_headers_name_the_original() -> None:
    assert original_of(reprocess_headers("p9", "a" * 64)) == "a" * 64
    assert original_of([("xray-replay-of", b"x")]) is None
    with pytest.raises(Rejected, match="original_unknown"):
        original_of([(ORIGINAL_HEADER, b"../views")])
