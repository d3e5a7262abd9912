"""Creates or updates what must exist before any service starts: topics, bucket, tables, the first activation.

Topics get the partition counts and policies that `services.common.topics` defines. The first activation names the model
versions that make the calls.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Literal

from kafka.admin import ConfigResource, ConfigResourceType

from services.common.errors import Fatal
from services.common.events import ModelActivation
from services.common.events.base import now
from services.common.events.summary import describe_versions
from services.common.kafka.clients import administrator
from services.common.settings import Settings
from services.common.store import ObjectStore
from services.common.topics import TOPICS, Topic
from services.ledger.migrate import migrate
from services.registry.bucket import repository_of
from services.registry.register import current, publish
from services.registry.set_cards import fitted_set_card
from services.registry.triton_client import ServedModel, connect, ready_versions

Outcome = Literal["created", "unchanged", "updated"]


@dataclass(frozen=True)
class ProvisioningStep:
    """One thing that was checked, and what was done about it; `detail` describes the change."""

    what: str
    outcome: Outcome
    detail: str = ""


def prepare(settings: Settings) -> Iterator[ProvisioningStep]:
    """Create or update everything that is needed and yield each step when it is done; it is safe to repeat.

    Raises Fatal (naming the setting) or Retriable (a server is unreachable); what was created before remains.
    """
    yield from ensure_topics(settings)
    created = ObjectStore(settings).create_bucket()
    yield ProvisioningStep(f"bucket {settings.s3_bucket}", "created" if created else "unchanged")
    applied = migrate(settings.postgres_dsn.get_secret_value())
    yield ProvisioningStep("tables of the ledger", "created" if applied else "unchanged", ", ".join(applied))
    yield ensure_activation(settings)


def ensure_topics(settings: Settings, topics: Sequence[Topic] = TOPICS) -> list[ProvisioningStep]:
    """Create missing topics and update the policies of existing ones.

    Raises Fatal when a topic has another partition count (the order of a specimen's events would change), Retriable
    when the broker is unreachable.
    """
    with administrator(settings) as admin:
        existing = set(admin.list_topics())
        missing = [topic for topic in topics if topic.name not in existing]
        if missing:
            admin.create_topics({topic.name: _options(topic, settings) for topic in missing}, wait_for_metadata=True)
        found = [topic for topic in topics if topic.name in existing]
        described = {one["name"]: one["partitions"] for one in _describe(admin, found)}
        _check_partitions({name: len(partitions) for name, partitions in described.items()}, found, settings)
        replicas = {name: len(partitions[0]["replica_nodes"]) for name, partitions in described.items()}
        steps = _update_policies(admin, found, replicas)
    steps |= {
        topic.name: ProvisioningStep(f"topic {topic.name}", "created", _described(topic, settings)) for topic in missing
    }
    return [steps[topic.name] for topic in topics]


def ensure_activation(settings: Settings) -> ProvisioningStep:
    """Publish activation 1 of the newest versions that Triton has loaded, unless there is an activation.

    Raises Retriable when Kafka or Triton is unreachable, Fatal when Triton has no model loaded.
    """
    before = current(settings)
    if before is not None:
        return ProvisioningStep(f"activation {before.activation}", "unchanged", describe_versions(before.versions))
    published: list[ModelActivation] = []

    def first(newest: ModelActivation | None) -> ModelActivation | None:
        if newest is not None:  # written by somebody else meanwhile
            return None
        with closing(connect(settings)) as client:
            versions = served_versions(settings, client)
            cards = {model: ServedModel(client, model, version).pin for model, version in sorted(versions.items())}
        published.append(
            ModelActivation(
                activation=1,
                versions=versions,
                cards=cards,
                set_card=_set_card(settings, versions),
                why="first set-up",
                who="xray init",
                produced_at=now(),
            )
        )
        return published[-1]

    if not publish(settings, first):
        return ensure_activation(settings)
    return ProvisioningStep("activation 1", "created", describe_versions(published[-1].versions))


def _set_card(settings: Settings, versions: Mapping[str, int]) -> str | None:
    """Return the digest of the first versions' set card, None without the repository or its validation outputs."""
    try:
        repository = repository_of(settings)
    except Fatal:  # this machine need not see the repository that Triton serves from
        return None
    return fitted_set_card(ObjectStore(settings, connections=1), repository, versions)


def served_versions(settings: Settings, client: Any) -> dict[str, int]:
    """Return the newest loaded version of each of Triton's models; raises Fatal when it has none loaded."""
    versions = {model: max(ready) for model, ready in ready_versions(client).items()}
    if not versions:
        msg = f"Triton at {settings.triton_grpc} has no model loaded; load model_repository/ first"
        raise Fatal(msg)
    return versions


def _options(topic: Topic, settings: Settings) -> dict[str, Any]:
    return {
        "num_partitions": topic.partitions(settings.partitions),
        "replication_factor": settings.replication,
        "configs": topic.configuration(settings.replication),
    }


def _described(topic: Topic, settings: Settings) -> str:
    return f"{topic.partitions(settings.partitions)} partitions, {topic.config['cleanup.policy']}"


def _describe(admin: Any, topics: Sequence[Topic]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = admin.describe_topics([topic.name for topic in topics]) if topics else []
    return found


def _check_partitions(counts: Mapping[str, int], topics: Sequence[Topic], settings: Settings) -> None:
    wrong = {
        topic.name: (counts[topic.name], topic.partitions(settings.partitions))
        for topic in topics
        if counts[topic.name] != topic.partitions(settings.partitions)
    }
    if wrong:
        listing = ", ".join(
            f"{name} has {found} partitions, not {expected}" for name, (found, expected) in wrong.items()
        )
        msg = (
            f"{listing}; all specimen topics need the same count, and it cannot change while events are in flight. "
            "Set XRAY_PARTITIONS to the existing count, or delete the topics"
        )
        raise Fatal(msg)


def _update_policies(admin: Any, topics: Sequence[Topic], replicas: Mapping[str, int]) -> dict[str, ProvisioningStep]:
    if not topics:
        return {}
    found = admin.describe_configs([_resource(topic) for topic in topics], config_filter="all")["topic"]
    if hidden := [topic.name for topic in topics if not found.get(topic.name)]:
        msg = f"these credentials may not read the configuration of {', '.join(hidden)}; use those of a super user"
        raise Fatal(msg)
    steps: dict[str, ProvisioningStep] = {}
    for topic in topics:
        wanted = topic.configuration(replicas[topic.name])
        before = {name: found[topic.name][name]["value"] for name in wanted}
        changes = {name: value for name, value in wanted.items() if before[name] != value}
        if changes:
            _alter(admin, topic, changes)
        detail = ", ".join(f"{name}: {before[name]} -> {value}" for name, value in changes.items())
        steps[topic.name] = ProvisioningStep(f"topic {topic.name}", "updated" if changes else "unchanged", detail)
    return steps


def _alter(admin: Any, topic: Topic, changes: dict[str, str]) -> None:
    answer = admin.alter_configs([_resource(topic, changes)])["topic"][topic.name]
    if answer != "OK":
        msg = f"Kafka refused to set {changes} on {topic.name}: {answer}; check the access rights"
        raise Fatal(msg)


def _resource(topic: Topic, configs: dict[str, str] | None = None) -> Any:
    return ConfigResource(ConfigResourceType.TOPIC, topic.name, configs)
