"""Past specimens are reprocessed: by another version, after a rollback, after a kill, from their originals."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from services.common.errors import Rejected
from services.common.events import PhenotypeCall, parse_event
from services.common.kafka.clients import reader
from services.common.kafka.reading import OffsetRange, partitions_of, read
from services.common.keys import original_key
from services.common.preprocessing import GENERATION, VERSION
from services.common.topics import CALLS
from services.registry.admit import add_version
from services.registry.promote import promote, roll_back
from services.registry.repository import ModelRepository
from services.registry.triton_client import connect
from tests.integration.test_cli import Cli
from tests.pipeline.deployment import Deployment, Picture, deployed
from tests.pipeline.mice import mouse
from tests.registry.variants import MODEL, shifted, write_variant

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1200)]

MICE = [f"recall-{number}" for number in range(5)]
REFUSED, GONE = MICE[0], MICE[1]


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with deployed(tmp_path_factory.mktemp("reprocess")) as deployment:
        for seed, specimen in enumerate(MICE):
            deployment.announce(deployment.upload(mouse(specimen, seed=70 + seed, images=1)))
        deployment.wait_for(dict.fromkeys(MICE, 2), seconds=300)
        yield deployment


@pytest.fixture(scope="module")
def cli(system: Deployment, tmp_path_factory: pytest.TempPathFactory) -> Cli:
    return Cli(system.stack, tmp_path_factory.mktemp("state"))


def promoted(system: Deployment, folder: Path, version: int) -> int:
    """Add a version and promote it; returns the activation."""
    write_variant(folder, version, shifted(version / 10))
    repository = ModelRepository(system.settings.model_repository)
    add_version(ModelRepository(folder), repository, MODEL, version)
    with closing(connect(system.settings)) as client:
        return promote(system.settings, client, repository, {MODEL: version}, why="a test", who="tests").activation


def current(system: Deployment) -> dict[str, tuple[int, int, int]]:
    """Generation, revision and activation of every current call."""
    rows = system.query("select biological_sample_id, preprocessing_generation, revision, activation from current_call")
    return {specimen: (generation, revision, activation) for specimen, generation, revision, activation in rows}


def calls_by(system: Deployment, activation: int) -> int:
    ((count,),) = system.query(f"select count(*) from call where activation = {activation}")
    return int(count)


def reprocessed(cli: Cli, *arguments: object, exit_code: int = 0) -> dict[str, Any]:
    (document,) = cli.json("reprocess", "--rate", "50", *arguments, exit_code=exit_code)
    return dict(document)


def announced(cli: Cli, total: int) -> None:
    """Every image is accounted for, and counted once."""
    (document,) = cli.json("reconcile")
    assert (document["adds_up"], document["total"]["in_flight"]) == (True, 0)
    assert document["total"]["announced"] == total


def wait_until(condition: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"did not happen within {seconds} s"
        time.sleep(0.2)


def test_a_new_version_calls_every_past_specimen_and_history_stays(
    system: Deployment, cli: Cli, tmp_path: Path
) -> None:
    assert reprocessed(cli)["records"] == 0
    activation = promoted(system, tmp_path, 2)
    dry = reprocessed(cli, "--dry-run")
    assert (dry["total"]["outdated"], dry["records"], calls_by(system, activation)) == (5, 5, 0)
    one = reprocessed(
        cli, MICE[0], "--centre", dry["centres"][0]["centre"], "--since", "1d", "--until", "0s", "--dry-run"
    )
    assert sum(one["total"].values()) in {0, 1}
    assert reprocessed(cli, "--limit", "2")["records"] == 2
    assert sorted(of for _, _, of in current(system).values()) == [1, 1, 1, activation, activation]
    rest = reprocessed(cli)
    assert (rest["total"]["outdated"], rest["total"]["up_to_date"], rest["without_result"]) == (3, 2, [])
    assert current(system) == dict.fromkeys(MICE, (GENERATION, 2, activation))
    assert calls_by(system, 1) == calls_by(system, activation) == 5
    announced(cli, 10)
    again = reprocessed(cli)
    assert (again["records"], again["total"]["up_to_date"]) == (0, 5)


def test_killed_in_the_middle_it_continues_and_calls_each_once(system: Deployment, cli: Cli, tmp_path: Path) -> None:
    activation = promoted(system, tmp_path, 3)
    process = cli.process("reprocess", "--rate", "0.5")
    wait_until(lambda: calls_by(system, activation) > 0)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert calls_by(system, activation) < 5
    reprocessed(cli)
    assert current(system) == dict.fromkeys(MICE, (GENERATION, 2, activation))
    assert calls_by(system, activation) == 5
    announced(cli, 10)


def test_after_a_rollback_the_versions_of_before_call_again(system: Deployment, cli: Cli) -> None:
    with closing(connect(system.settings)) as client:
        activation = roll_back(system.settings, client, why="a test", who="tests").activation
    reprocessed(cli)
    assert current(system) == dict.fromkeys(MICE, (GENERATION, 2, activation))
    versions = system.query("select distinct models from current_call")
    assert {one["version"] for (models,) in versions for one in models if one["model"] == MODEL} == {2}


def test_a_live_specimen_keeps_its_newer_revision(system: Deployment, cli: Cli, tmp_path: Path) -> None:
    activation = promoted(system, tmp_path, 4)
    live = MICE[2]
    system.services.stop(["assembler"])
    more = mouse(live, seed=72, images=2)[2:]
    system.announce(system.upload(more))
    wait_until(lambda: system.query(f"select count(*) from view where biological_sample_id = '{live}'") == [(4,)])
    process = cli.process("reprocess", "--rate", "50", "--json")
    wait_until(lambda: calls_by(system, activation) == 4)
    system.services.start(["assembler"])
    out, output = process.communicate(timeout=300)
    assert process.returncode == 0, output
    assert '"outdated": 5' in out
    assert current(system)[live] == (GENERATION, 4, activation)
    assert newest_on_topic(system, live) == 4
    assert calls_by(system, activation) == 5
    announced(cli, 12)


def test_from_the_originals_every_image_is_standardised_again(system: Deployment, cli: Cli, tmp_path: Path) -> None:
    """Create past data: relabel the output of p2 as that of p1, in the ledger and in object storage."""
    gone = announced_elsewhere(system, "recall-gone")
    make_past(system)
    system.store.delete(gone)
    lost = system.query(f"select original_key from view where biological_sample_id = '{REFUSED}' order by view limit 1")
    system.store.delete(lost[0][0])
    dry = reprocessed(cli, "--dry-run")
    assert dry["total"] == {"outdated": 0, "up_to_date": 0, "uncalled": 0, "older_preprocessing": 6}
    assert reprocessed(cli, "--from-originals", "--dry-run")["records"] == 14

    assert reprocessed(cli, "--from-originals")["without_result"] == []
    expected = {specimen: 2 for specimen in (*MICE, "recall-gone") if specimen != REFUSED} | {MICE[2]: 4}
    wait_until(lambda: {s: r for s, (g, r, _) in current(system).items() if g == GENERATION} == expected)
    assert current(system)[REFUSED][0] == GENERATION - 1  # its call is unchanged: one of its originals is lost
    (refused,) = cli.json("rejections", "list", "--specimen", REFUSED)
    assert refused["reason"] == "object_missing"
    announced(cli, 14)
    assert reprocessed(cli, "--from-originals")["records"] == 0


def test_an_unknown_specimen_is_named_and_nothing_is_reprocessed(cli: Cli) -> None:
    with pytest.raises(Rejected, match="specimen_unknown"):
        cli("reprocess", "nobody", MICE[0])


def newest_on_topic(system: Deployment, specimen: str) -> int:
    """The revision that compaction would keep."""
    with reader(system.settings) as consumer:
        where = partitions_of(consumer, CALLS.name)
        ends = consumer.end_offsets(where)
        records = read(consumer, {one: OffsetRange(0, ends[one]) for one in where})
        found = [parse_event(PhenotypeCall, one.value) for one in records if one.key == specimen.encode()]
    return found[-1].revision


def announced_elsewhere(system: Deployment, specimen: str) -> str:
    """Send a mouse with one picture at a custom address and without a digest; returns its key."""
    pictures: list[Picture] = mouse(specimen, seed=90, images=1)
    key = f"incoming/{specimen}"
    system.store.put(key, pictures[0].data)
    (second,) = system.upload(pictures[1:])
    address = {"image_uri": f"s3://{system.store.bucket}/{key}", "sha256": None}
    first = second.model_copy(update=address | {"parameter_stable_id": pictures[0].parameter})
    system.announce([first, second])
    system.wait_for({specimen: 2})
    assert system.store.exists(original_key(pictures[0].sha256))
    return key


def make_past(system: Deployment) -> None:
    older = f"preprocessing_version = 'p0', preprocessing_generation = {GENERATION - 1}"
    system.execute(f"update view set {older}; update image_view set {older}")
    system.execute(f"update call set {older}, call_id = encode(sha256(call_id::bytea), 'hex')")
    for key in system.store.keys("views/") + system.store.keys(f"tensors/{VERSION}-"):
        system.store.delete(key)
    system.services.stop(["assembler"])  # it remembers the sets of views that it has published
    system.services.start(["assembler"])
