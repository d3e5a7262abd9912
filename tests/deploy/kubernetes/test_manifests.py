"""The manifests compared with the services, the compose file and each other."""

import re
from typing import Any

import pytest
import yaml

from services.cli.main import EXIT_FAILED, EXIT_MISCONFIGURED
from services.common.settings import Settings
from services.common.topology import PIPELINE, SERVICES
from tests.deploy.compose_file import CLONE, services
from tests.deploy.kubernetes.manifests import container, of_kind, pods
from tests.deploy.prometheus.alerts import RULES

SECRETS = {"xray-s3": {"access-key", "secret-key"}, "xray-postgres": {"dsn"}, "xray-triton": {"control-key"}}


def test_every_service_is_present() -> None:
    deployments = of_kind("Deployment")
    assert set(deployments) == {*SERVICES, "triton"}
    assert all(container(deployments[name])["args"] == ["run", name] for name in SERVICES)


@pytest.mark.parametrize("name", [*SERVICES, "xray-init", "refresh"])
def test_containers_get_the_same_secrets_as_under_compose(name: str) -> None:
    pod = (of_kind("Deployment") | of_kind("Job") | of_kind("CronJob"))[name]
    compose = services()["init" if name == "xray-init" else name]["environment"]
    secret = {"XRAY_S3_ACCESS_KEY", "XRAY_S3_SECRET_KEY", "XRAY_POSTGRES_DSN", "XRAY_TRITON_CONTROL_KEY"}
    given = {one["name"]: one for one in container(pod)["env"] if "valueFrom" in one}
    assert set(given) == secret & set(compose)
    for one in given.values():
        reference = one["valueFrom"]["secretKeyRef"]
        assert reference["key"] in SECRETS[reference["name"]]


def test_every_setting_exists() -> None:
    data = of_kind("ConfigMap")["xray"]["data"]
    known = {f"XRAY_{field.upper()}" for field in Settings.model_fields} | set(services()["sink"]["environment"])
    assert set(data) <= known
    Settings.model_validate({key.removeprefix("XRAY_").lower(): value for key, value in data.items()})


@pytest.mark.parametrize("name", SERVICES)
def test_memory_is_that_of_compose(name: str) -> None:
    limit = container(of_kind("Deployment")[name])["resources"]["limits"]["memory"]
    assert limit.lower().removesuffix("i") == services()[name]["mem_limit"]


@pytest.mark.parametrize("name", [*SERVICES, "triton", "xray-init", "refresh"])
def test_pods_have_no_privileges(name: str) -> None:
    pod = pods()[name]["spec"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    context = pod["containers"][0]["securityContext"]
    assert context["readOnlyRootFilesystem"] is True
    assert context["allowPrivilegeEscalation"] is False
    assert context["capabilities"] == {"drop": ["ALL"]}


@pytest.mark.parametrize("name", [*SERVICES, "triton"])
def test_pods_are_probed(name: str) -> None:
    assert {"startupProbe", "livenessProbe", "readinessProbe"} <= set(container(of_kind("Deployment")[name]))


@pytest.mark.parametrize("name", PIPELINE)
def test_services_scale_by_their_own_work_up_to_the_partitions(name: str) -> None:
    scaled = of_kind("ScaledObject")[name]["spec"]
    assert scaled["scaleTargetRef"] == {"name": name}
    assert str(scaled["maxReplicaCount"]) == of_kind("ConfigMap")["xray"]["data"]["XRAY_PARTITIONS"]
    (trigger,) = scaled["triggers"]
    record, stage = re.fullmatch(r'(.+)\{stage="(\w+)"\}', trigger["metadata"]["query"]).groups()  # type: ignore[union-attr]
    assert stage == name
    assert record in {rule.get("record") for rule in _rules()}


@pytest.mark.parametrize("name", PIPELINE)
def test_services_keep_their_number_while_prometheus_is_down(name: str) -> None:
    """Without `behavior` KEDA would scale all of them to `replicas`."""
    assert of_kind("ScaledObject")[name]["spec"]["fallback"]["behavior"] == "currentReplicas"


def test_only_the_monitor_is_not_scaled_and_it_never_runs_twice() -> None:
    assert set(of_kind("ScaledObject")) == {"admission", *PIPELINE} == set(SERVICES) - {"monitor"}
    assert of_kind("Deployment")["monitor"]["spec"]["replicas"] == 1
    assert of_kind("Deployment")["monitor"]["spec"]["strategy"] == {"type": "Recreate"}


def test_disruptions_are_bounded() -> None:
    budgets = of_kind("PodDisruptionBudget")
    assert set(budgets) == {"admission", *PIPELINE, "triton"}
    for name, budget in budgets.items():
        assert _matched(budget["spec"]["selector"]) == {name}


def test_policies_select_pods_that_exist() -> None:
    policies = of_kind("NetworkPolicy")
    for policy in policies.values():
        assert _matched(policy["spec"]["podSelector"]), policy
    assert _matched(policies["nothing"]["spec"]["podSelector"]) == set(pods())
    uses_s3 = {name for name in SERVICES if "XRAY_S3_ENDPOINT" in services()[name]["environment"]}
    assert _matched(policies["s3"]["spec"]["podSelector"]) == {*uses_s3, "xray-init", "triton", "refresh"}
    assert _matched(policies["postgres"]["spec"]["podSelector"]) == {"sink", "xray-init", "refresh"}
    assert _matched(policies["kafka"]["spec"]["podSelector"]) == {*SERVICES, "xray-init", "refresh"}
    assert _matched(policies["inference"]["spec"]["podSelector"]) == {"classifier", "xray-init", "refresh"}


def test_the_refresh_is_that_of_compose_and_never_runs_twice() -> None:
    job, compose = of_kind("CronJob")["refresh"], services()["refresh"]
    given = container(job)["args"]
    assert given == compose["command"][: len(given)]
    assert container(job)["image"].partition(":")[0] == compose["image"].partition(":")[0]
    assert job["spec"]["concurrencyPolicy"] == "Forbid"
    mounted = {one["mountPath"] for one in container(job)["volumeMounts"]}
    assert {mount.rpartition(":")[2] for mount in compose["volumes"]} <= mounted
    variables = {one["name"]: one.get("value") for one in container(job)["env"]}
    assert variables["XRAY_MODEL_REPOSITORY"] == compose["environment"]["XRAY_MODEL_REPOSITORY"]
    (rule,) = job["spec"]["jobTemplate"]["spec"]["podFailurePolicy"]["rules"]
    assert rule["onExitCodes"]["values"] == [EXIT_FAILED, EXIT_MISCONFIGURED]


def test_triton_loads_every_model_from_s3() -> None:
    arguments = container(of_kind("Deployment")["triton"])["args"]
    loaded = {word.removeprefix("--load-model=") for word in arguments if word.startswith("--load-model=")}
    assert loaded == {configuration.parent.name for configuration in CLONE.glob("model_repository/*/config.pbtxt")}
    endpoint = of_kind("ConfigMap")["xray"]["data"]["XRAY_S3_ENDPOINT"]
    assert any(word.startswith(f"--model-repository=s3://{endpoint}/") for word in arguments)


def test_triton_loads_a_model_only_with_the_key_of_the_secret() -> None:
    triton = container(of_kind("Deployment")["triton"])
    compose = [word for word in services()["triton"]["command"] if word.startswith("--grpc-restricted-protocol=")]
    (restricted,) = (word for word in triton["args"] if word.startswith("--grpc-restricted-protocol="))
    assert [word.partition(":")[0] for word in compose] == [restricted.partition(":")[0]]
    assert restricted.endswith(":control-key=$(TRITON_CONTROL_KEY)")
    (given,) = (one for one in triton["env"] if one["name"] == "TRITON_CONTROL_KEY")
    assert given["valueFrom"]["secretKeyRef"] == {"name": "xray-triton", "key": "control-key"}
    assert "--http-address=127.0.0.1" in triton["args"], "HTTP has no key"


def _rules() -> list[dict[str, Any]]:
    groups = [group for file in RULES for group in yaml.safe_load(file.read_text())["groups"]]
    return [rule for group in groups for rule in group["rules"]]


def _matched(selector: dict[str, Any]) -> set[str]:
    """Names of the pods that a label selector chooses."""
    return {name for name, pod in pods().items() if _matches(selector, pod["metadata"]["labels"])}


def _matches(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    equal = all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items())
    chosen = selector.get("matchExpressions", [])
    assert all(one["operator"] == "In" for one in chosen)
    return equal and all(labels.get(one["key"]) in one["values"] for one in chosen)
