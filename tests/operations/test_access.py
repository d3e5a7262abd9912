"""Rights on Kafka are derived from the table of topics, and nobody has more than it says."""

import pytest

from services.common.errors import Fatal
from services.common.settings import ServiceSettings
from services.common.topics import ACTIVE_MODELS, TOPICS
from services.common.topology import SERVICES, TOPOLOGY
from services.operations.access import AccessRight, Role, principals, role_rights, service_rights, wanted_rights

OUTSIDE: tuple[tuple[Role, str], ...] = (("operator", "otto"), ("centre", "jax"), ("subscriber", "dashboard"))


def topics(rights: set[AccessRight], operation: str) -> set[str]:
    return {right.name for right in rights if right.resource == "topic" and right.operation == operation}


def test_only_operators_write_the_active_models() -> None:
    rights = wanted_rights(ServiceSettings(), OUTSIDE)
    writers = {one.principal for one in rights if one.name == ACTIVE_MODELS.name and one.operation == "WRITE"}
    assert writers == {"otto"}


@pytest.mark.parametrize("service", TOPOLOGY, ids=lambda one: one.name)
def test_a_service_reads_and_writes_exactly_its_topics(service: object) -> None:
    one = next(one for one in TOPOLOGY if one is service)
    known = {topic.name for topic in TOPICS}
    rights = service_rights(one, "test-")
    assert topics(rights, "READ") & known == {topic.name for topic in (*one.inputs, *one.followed)}
    assert topics(rights, "WRITE") & known == {topic.name for topic in one.outputs}
    assert {right.name for right in rights if right.resource == "group"} == {f"test-{one.name}"}
    assert {right.principal for right in rights} == {one.name}
    assert topics(rights, "CREATE") == ({"test-monitor-windows-changelog"} if one.name == "monitor" else set())


def test_a_centre_only_announces_images_and_a_subscriber_only_reads_calls() -> None:
    assert role_rights("centre", "jax") == {AccessRight("jax", "topic", "xray.images", "WRITE")}
    assert role_rights("subscriber", "dashboard") == {
        AccessRight("dashboard", "topic", "phenotype.calls", "READ"),
        AccessRight("dashboard", "group", "dashboard", "READ", prefixed=True),
    }


def test_nobody_has_a_right_on_everything() -> None:
    for right in wanted_rights(ServiceSettings(), OUTSIDE):
        assert right.name != "*"
        assert right.operation in {"READ", "WRITE", "DESCRIBE", "CREATE"}


@pytest.mark.parametrize("name", [*SERVICES, "", " ", "*"])
def test_the_principal_of_a_service_or_everybody_gets_no_role(name: str) -> None:
    with pytest.raises(Fatal, match="cannot be the principal"):
        principals("centre", [name])
