"""Rights on Kafka are derived from the table of topics, and nobody has more than it says."""

import pytest

from services.common.errors import Fatal
from services.common.settings import ServiceSettings
from services.common.topics import ACTIVE_MODELS, IMAGES, TOPICS
from services.common.topology import SERVICES, TOPOLOGY
from services.operations.access import AccessRight, Grantee, grantees, role_rights, service_rights, wanted_rights

OUTSIDE = (Grantee("operator", "otto"), Grantee("centre", "jax-push", "JAX"), Grantee("subscriber", "dashboard"))


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


def test_a_centre_only_announces_its_own_images_and_a_subscriber_only_reads_calls() -> None:
    centre = Grantee("centre", "harwell-push", "MRC Harwell")
    assert role_rights(centre) == {AccessRight("harwell-push", "topic", "xray.centre.MRC.20Harwell", "WRITE")}
    assert role_rights(Grantee("subscriber", "dashboard")) == {
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
        grantees("centre", [name])


def test_only_the_admission_and_operators_announce_images_of_any_centre() -> None:
    rights = wanted_rights(ServiceSettings(), OUTSIDE)
    writers = {one.principal for one in rights if one.name == IMAGES.name and one.operation == "WRITE"}
    assert writers == {"admission", "otto"}


def test_a_principal_is_called_like_its_centre_unless_it_is_named() -> None:
    named, alike = grantees("centre", ["harwell-push=MRC Harwell", "JAX"])
    assert (named, alike) == (Grantee("centre", "harwell-push", "MRC Harwell"), Grantee("centre", "JAX", "JAX"))


@pytest.mark.parametrize("name", ["jax=", "jax= ", "jax=" + 250 * "x"])
def test_a_centre_needs_a_name_that_a_topic_can_hold(name: str) -> None:
    with pytest.raises(Fatal, match="cannot be the name of a centre"):
        grantees("centre", [name])
