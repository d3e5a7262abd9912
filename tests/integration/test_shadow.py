"""A candidate in shadow on real servers: the same load gives the same calls, whatever it does."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from services.classifier.shadow.shadowing import is_shadowed
from services.common.errors import Rejected
from services.common.events import ModelActivation, ShadowCall
from services.common.events.base import now
from services.common.events.model import SHADOW_SET
from services.common.topics import SHADOW
from services.ledger.database import ledger
from services.ledger.queries import shadow_labels, shadow_summaries
from services.operations.processes import Processes
from services.registry.inspect import inspect
from services.registry.register import current, current_shadow, publish_next
from services.registry.repository import ModelRepository
from services.registry.shadow import shadow, stop_shadow
from services.registry.triton_client import connect, ready_versions
from tests.integration.test_cli import Cli
from tests.registry.under_load import (
    brought,
    exported,
    lit,
    read,
    send_all,
    stack_of_its_own,
    tensor_keys,
    wait_for,
    wait_until,
)
from tests.registry.variants import MODEL, not_numbers_on_light, shifted, slow_on_light, write_variant

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]
SPECIMENS = 16
GOOD, POISONED, SLOW = 2, 3, 4
Called = list[tuple[tuple[int, ...], bool, int, dict[str, int]]]


@pytest.fixture(scope="module")
def cli(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    folder = tmp_path_factory.mktemp("shadow")
    with stack_of_its_own(folder) as command:
        repository = ModelRepository(command.settings.model_repository)
        write_variant(folder / "variants", GOOD, shifted(5.0))
        write_variant(folder / "variants", POISONED, not_numbers_on_light)
        write_variant(folder / "variants", SLOW, slow_on_light)
        for version in (GOOD, POISONED, SLOW):
            brought(repository, folder / "variants", version)
        yield command


@pytest.fixture(scope="module")
def services(cli: Cli, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    with Processes(("classifier", "sink"), cli.environment, tmp_path_factory.mktemp("logs")) as processes:
        processes.wait_ready(180)
        yield processes


@pytest.fixture(scope="module")
def tensors(cli: Cli) -> list[tuple[str, str]]:
    """Without a black pixel: the poisoned version returns NaN for each."""
    return tensor_keys(cli.settings, lit(SPECIMENS))


Run = Callable[[str], Called]


@pytest.fixture(scope="module")
def run(cli: Cli, services: Processes, tensors: list[tuple[str, str]]) -> Run:
    """Send the load with specimen ids that start with a name; return the calls in the order of the tensors."""

    def called(name: str) -> Called:
        specimens = [f"{name}-{number}" for number in range(SPECIMENS)]
        send_all(cli.settings, specimens, tensors, pause=0.05)
        made = wait_for(cli.settings, set(specimens), seconds=120)
        order = [made[specimen] for specimen in specimens]
        assert exported(services, "classifier", "xray_retries_total", what="handle") == 0
        return [
            (one.vector, one.abnormal, one.activation, {output.model: output.version for output in one.models})
            for one in order
        ]

    return called


@pytest.fixture(scope="module")
def alone(run: Run) -> Called:
    """The calls of the load without a candidate."""
    return run("alone")


def put(cli: Cli, share: float) -> ModelActivation:
    repository = ModelRepository(cli.settings.model_repository)
    with closing(connect(cli.settings)) as client:
        return shadow(cli.settings, client, repository, {MODEL: GOOD}, share=share, why="a test", who="tests")


def failures(services: Processes, kind: str) -> float:
    return exported(services, "classifier", "xray_shadow_errors_total", kind=kind)


def test_a_candidate_that_works_changes_no_call_and_is_compared_on_its_share(
    cli: Cli, services: Processes, run: Run, alone: Called
) -> None:
    before = current(cli.settings)
    record = put(cli, 0.5)
    assert record.share == 0.5
    assert current(cli.settings) == before
    with pytest.raises(Rejected, match="shadows_already"):
        put(cli, 0.5)
    assert run("works") == alone
    chosen = {f"works-{number}" for number in range(SPECIMENS) if is_shadowed(f"works-{number}", 0.5)}
    assert 0 < len(chosen) < SPECIMENS
    wait_until(
        lambda: exported(services, "classifier", "xray_shadow_specimens_total", outcome="compared") == len(chosen),
        60,
        "all specimens of the share compared",
    )
    events = read(cli.settings, SHADOW.name, ShadowCall)
    assert {one.biological_sample_id for one in events} == chosen
    assert {one.activation for one in events} == {record.activation if before is None else before.activation}
    with ledger(cli.settings) as connection:
        wait_until(lambda: shadow_summaries(connection) != [], 30, "comparisons in the ledger")
        wait_until(lambda: shadow_summaries(connection)[0].specimens == len(chosen), 30, "all of them")
        labels = {one.label: one for one in shadow_labels(connection, record.versions)}
    by_number = {int(one.biological_sample_id.split("-")[1]): one for one in events}
    for position, label in enumerate(events[0].labels):
        differing = {n for n, one in by_number.items() if one.vector[position] != alone[n][0][position]}
        assert labels[label].differs == len(differing) == sum(label in one.differs for one in events)
        assert labels[label].called == sum(alone[n][0][position] for n in by_number)
    assert any(one.differs for one in labels.values())


def test_the_commands_show_and_enforce_it(cli: Cli) -> None:
    roles = {one["version"]: one["role"] for one in cli.json("models", "list") if one["model"] == MODEL}
    assert roles == {1: "active", GOOD: "shadow", POISONED: "waiting", SLOW: "waiting"}
    assert "Compared in shadow" in cli("models", "list")
    (shown,) = cli.json("models", "show", MODEL, GOOD)
    (compared,) = shown["in shadow"]
    assert (shown["role"], shown["share"]) == ("shadow", 0.5)
    assert 0 < compared["specimens"] < SPECIMENS
    assert 0 < compared["seconds_p50"] <= compared["seconds_p99"]
    with pytest.raises(Rejected, match=f"not_shadowed_enough.* on {compared['specimens']} specimens"):
        cli("models", "promote", f"{MODEL}={GOOD}", "--after-shadowed", SPECIMENS, "--why", "a test")
    for version, reason in ((1, "serves"), (GOOD, "in_shadow")):
        with pytest.raises(Rejected, match=f"^{reason}: "):
            cli("models", "retire", MODEL, version)


def test_a_candidate_that_hangs_changes_no_call(
    services: Processes, repository: ModelRepository, run: Run, alone: Called
) -> None:
    stubs = stubs_of(repository, GOOD)
    assert stubs
    for stub in stubs:  # never continued: Triton abandons such a process after a second
        os.kill(stub, signal.SIGSTOP)
    assert run("hangs") == alone
    wait_until(lambda: failures(services, "INTERNAL") > 0, 60, "the candidate fails")
    assert exported(services, "classifier", "xray_shadow_failing") == 1


def test_a_candidate_that_dies_changes_no_call(
    services: Processes, repository: ModelRepository, run: Run, alone: Called
) -> None:
    for stub in stubs_of(repository, GOOD):
        os.kill(stub, signal.SIGKILL)
    before = failures(services, "INTERNAL")
    assert run("dies") == alone
    wait_until(lambda: failures(services, "INTERNAL") > before, 60, "the dead candidate noticed")


def test_a_dead_candidate_is_stopped_and_retired_without_harm(
    cli: Cli, client: Any, repository: ModelRepository, run: Run, alone: Called
) -> None:
    (stopped,) = cli.json("models", "shadow", "--stop")
    assert stopped["share"] == 0
    with pytest.raises(Rejected, match="nothing_shadows"):
        stop_shadow(cli.settings, why="a test", who="tests")
    (done,) = cli.json("models", "retire", MODEL, GOOD, "--delete")
    assert (done["unloaded"], done["deleted"]) == (True, True)
    assert ready_versions(client)[MODEL] == {1}
    assert not repository.folder(MODEL, GOOD).exists()
    (again,) = cli.json("models", "retire", MODEL, GOOD, "--delete")
    assert (again["unloaded"], again["deleted"]) == (False, False)
    assert run("retired") == alone


def test_a_candidate_that_answers_nan_changes_no_call(cli: Cli, services: Processes, run: Run, alone: Called) -> None:
    (record,) = cli.json(
        "models", "shadow", f"{MODEL}={POISONED}", "--share", 1.0, "--why", "its golden inputs do not show it"
    )
    assert record["versions"][MODEL] == POISONED
    assert run("nan") == alone
    wait_until(lambda: failures(services, "no_probabilities") > 0, 60, "the nonsense noticed")
    assert not [one for one in read(cli.settings, SHADOW.name, ShadowCall) if one.versions[MODEL] == POISONED]


def test_a_candidate_that_is_slow_changes_no_call(cli: Cli, services: Processes, run: Run, alone: Called) -> None:
    cli("models", "shadow", f"{MODEL}={SLOW}", "--share", 1.0, "--why", "slow for specimens without black only")
    assert run("slow") == alone
    wait_until(lambda: failures(services, "DEADLINE_EXCEEDED") > 0, 90, "its deadline noticed")


def test_a_record_that_pins_another_card_is_never_asked(
    cli: Cli, services: Processes, repository: ModelRepository, run: Run, alone: Called
) -> None:
    def forged(newest: ModelActivation) -> ModelActivation:
        before = current_shadow(cli.settings)
        assert before is not None
        return ModelActivation(
            name=SHADOW_SET,
            activation=before.activation + 1,
            versions=newest.versions | {MODEL: POISONED},
            cards=newest.cards,
            share=1.0,
            why="a forgery",
            produced_at=now(),
        )

    assert inspect(repository, MODEL, POISONED).pin != publish_next(cli.settings, forged).cards[MODEL]
    assert run("forged") == alone
    wait_until(lambda: failures(services, "contract") > 0, 60, "it was noticed")


def stubs_of(repository: ModelRepository, version: int) -> list[int]:
    """Return the process ids of Triton's stubs that run a version."""
    folder_bytes = str(repository.folder(MODEL, version)).encode()
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes()
        except OSError:
            continue
        if b"triton_python_backend_stub" in command and folder_bytes in command:
            found.append(int(process.name))
    return found
