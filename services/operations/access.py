"""Who may do what on Kafka: rights derived from the table of topics, and created on the broker.

A service reads its inputs within its own consumer group and writes its outputs. An operator reads every topic and
writes what the commands write. A centre only announces images, on a topic of its own. A subscriber only reads calls.
Nobody else has any right.

Rights belong to principals: the user name with SCRAM or PLAIN, the common name of the certificate with mutual TLS.
The principal of a service is its name.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from kafka.admin import (
    ACL,
    ACLFilter,
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    ResourcePattern,
    ResourcePatternFilter,
    ResourceType,
)
from kafka.errors import NoError

from services.common.errors import Fatal
from services.common.kafka.clients import administrator
from services.common.kafka.errors import translated
from services.common.loop import ServiceTopics
from services.common.settings import ServiceSettings
from services.common.topics import ACTIVE_MODELS, ACTIVE_REFERENCES, CALLS, CENTRE_IMAGES, TOPICS
from services.common.topology import COMMANDS, MONITOR, SERVICES, TOPOLOGY
from services.monitor.cluster import TABLE
from services.operations.provisioning import ensure_topics

Role = Literal["operator", "centre", "subscriber"]
Resource = Literal["topic", "group", "transactional id"]
Outcome = Literal["created", "missing", "unchanged", "unlisted"]

_RESOURCES: Final[dict[str, ResourceType]] = {
    "topic": ResourceType.TOPIC,
    "group": ResourceType.GROUP,
    "transactional id": ResourceType.TRANSACTIONAL_ID,
}
_ANY_HOST: Final = "*"
_LONGEST_TOPIC: Final = 249
"""Most characters of a topic's name in Kafka."""


@dataclass(frozen=True, order=True)
class AccessRight:
    """One operation that a principal may do on one resource, or with `prefixed` on all whose names begin like it."""

    principal: str
    resource: Resource
    name: str
    operation: str
    prefixed: bool = False


@dataclass(frozen=True)
class Grantee:
    """A principal outside the services and its role; `centre` is the centre that a principal may announce images of."""

    role: Role
    principal: str
    centre: str = ""


@dataclass(frozen=True)
class AccessStep:
    """One right and what was found or done.

    `missing` is what `created` would be without a dry run; `unlisted` is a right on the broker that this table lacks.
    """

    right: AccessRight
    outcome: Outcome


def service_rights(service: ServiceTopics[Any], group_prefix: str = "") -> set[AccessRight]:
    """Return the rights of a service; a right to read or write includes the one to describe."""
    group = group_prefix + service.name
    rights = _topics(service.name, "READ", (*service.inputs, *service.followed))
    if service.per_centre is not None:
        rights.add(AccessRight(service.name, "topic", service.per_centre.prefix, "READ", prefixed=True))
    rights |= _topics(service.name, "WRITE", service.outputs)
    rights.add(AccessRight(service.name, "group", group, "READ"))
    if service is MONITOR:
        # Faust keeps the monitor's table in a topic, which the monitor creates.
        changelog = f"{group}-{TABLE}-changelog"
        rights |= {AccessRight(service.name, "topic", changelog, one) for one in ("CREATE", "READ", "WRITE")}
    return rights


def role_rights(grantee: Grantee, group_prefix: str = "") -> set[AccessRight]:
    """Return the rights of a person or program outside the services."""
    principal = grantee.principal
    if grantee.role == "centre":
        return _topics(principal, "WRITE", (CENTRE_IMAGES.of(grantee.centre),))
    if grantee.role == "subscriber":
        return _topics(principal, "READ", (CALLS,)) | {
            AccessRight(principal, "group", principal, "READ", prefixed=True)
        }
    return (
        _topics(principal, "READ", TOPICS)
        | _topics(principal, "WRITE", (topic for command in COMMANDS for topic in command.outputs))
        | {AccessRight(principal, "topic", CENTRE_IMAGES.prefix, one, prefixed=True) for one in ("READ", "WRITE")}
        | {AccessRight(principal, "group", group_prefix + name, "DESCRIBE") for name in SERVICES}
        | {
            AccessRight(principal, "transactional id", topic.name, "WRITE")
            for topic in (ACTIVE_MODELS, ACTIVE_REFERENCES)
        }
    )


def wanted_rights(settings: ServiceSettings, grantees: Iterable[Grantee] = ()) -> list[AccessRight]:
    """Return the rights of all services and of these principals, sorted."""
    rights = {right for service in TOPOLOGY for right in service_rights(service, settings.group_prefix)}
    for grantee in grantees:
        rights |= role_rights(grantee, settings.group_prefix)
    return sorted(rights)


def grant(settings: ServiceSettings, grantees: Sequence[Grantee] = (), *, dry_run: bool = False) -> list[AccessStep]:
    """Create the centres' topics and the rights that the broker lacks, unless `dry_run`; safe to repeat.

    No right is ever removed: those of the same principals that the table lacks are returned as `unlisted`. Raises
    Fatal when the broker has no authorizer or refuses, Retriable when it is away.
    """
    rights = wanted_rights(settings, grantees)
    topics = [CENTRE_IMAGES.of(one.centre) for one in grantees if one.role == "centre"]
    if topics and not dry_run:
        ensure_topics(settings, topics)
    with administrator(settings) as admin:
        found = {right for principal in sorted({one.principal for one in rights}) for right in _found(admin, principal)}
        missing = [right for right in rights if right not in found]
        if not dry_run:
            _create(admin, missing)
    steps = [AccessStep(right, _outcome(right not in found, dry_run=dry_run)) for right in rights]
    return steps + [AccessStep(right, "unlisted") for right in sorted(found - set(rights))]


def _outcome(absent: bool, *, dry_run: bool) -> Outcome:
    if not absent:
        return "unchanged"
    return "missing" if dry_run else "created"


def _topics(principal: str, operation: str, topics: Iterable[Any]) -> set[AccessRight]:
    return {AccessRight(principal, "topic", topic.name, operation) for topic in topics}


def _create(admin: Any, rights: Sequence[AccessRight]) -> None:
    if not rights:
        return
    with translated("grant access rights"):
        answer = admin.create_acls([_acl(right) for right in rights])
        for error in answer["failed"]:
            raise error()


def _found(admin: Any, principal: str) -> Iterator[AccessRight]:
    """Yield the rights that a principal has on the broker."""
    everything = ResourcePatternFilter(ResourceType.ANY, None, ACLResourcePatternType.ANY)
    allowed = ACLFilter(f"User:{principal}", None, ACLOperation.ANY, ACLPermissionType.ALLOW, everything)
    names = {kind: name for name, kind in _RESOURCES.items()}
    with translated("read access rights"):
        acls, error = admin.describe_acls(allowed)
        if error is not NoError:
            raise error()
    for acl in acls:
        pattern = acl.resource_pattern
        resource: Any = names.get(pattern.resource_type, pattern.resource_type.name.lower())
        prefixed = pattern.pattern_type is ACLResourcePatternType.PREFIXED
        if acl.host == _ANY_HOST:
            yield AccessRight(principal, resource, pattern.resource_name, acl.operation.name, prefixed)


def _acl(right: AccessRight) -> ACL:
    kind = ACLResourcePatternType.PREFIXED if right.prefixed else ACLResourcePatternType.LITERAL
    return ACL(
        f"User:{right.principal}",
        _ANY_HOST,
        ACLOperation[right.operation],
        ACLPermissionType.ALLOW,
        ResourcePattern(_RESOURCES[right.resource], right.name, kind),
    )


def grantees(role: Role, names: Iterable[str]) -> list[Grantee]:
    """Return a grantee for each name; raises Fatal for a name that belongs to a service or cannot be one principal.

    For a centre, `PRINCIPAL=CENTRE` names a principal that is not called like its centre.
    """
    return [_grantee(role, name) for name in names]


def _grantee(role: Role, name: str) -> Grantee:
    principal, equals, centre = name.partition("=") if role == "centre" else (name, "", "")
    if principal in SERVICES or not principal.strip() or principal == _ANY_HOST:
        msg = f"{principal!r} cannot be the principal of a {role}; services are called {', '.join(SERVICES)}"
        raise Fatal(msg)
    centre = centre if equals else principal
    if role == "centre" and (not centre.strip() or len(CENTRE_IMAGES.of(centre).name) > _LONGEST_TOPIC):
        msg = f"{centre!r} cannot be the name of a centre; write --centre 'PRINCIPAL=CENTRE' or --centre CENTRE"
        raise Fatal(msg)
    return Grantee(role, principal, centre if role == "centre" else "")
