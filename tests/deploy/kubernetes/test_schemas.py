"""The manifests against the published schemas of Kubernetes and KEDA, without a cluster."""

import copy
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

from deploy.kubernetes.__main__ import FILE, generated
from tests.deploy.kubernetes.manifests import manifests, of_kind

OLDEST, NEWEST = "1.30", "1.37"
CUSTOM = {"keda.sh/v1alpha1", "kafka.strimzi.io/v1"}
OLDEST_KEDA, NEWEST_KEDA = "2.17", "2.21"


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_kubernetes_knows_every_field(version: str) -> None:
    for one in manifests():
        if one["apiVersion"] not in CUSTOM:
            kubernetes_validate.validate(one, version, strict=True)


def test_the_validator_is_strict() -> None:
    wrong = copy.deepcopy(of_kind("Deployment")["intake"])
    wrong["spec"]["template"]["spec"]["containers"][0]["readynessProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError, match="readynessProbe"):
        kubernetes_validate.validate(wrong, NEWEST, strict=True)


def test_topics_are_those_of_the_code() -> None:
    """`python -m deploy.kubernetes` writes them."""
    assert FILE.read_text() == generated()


@pytest.fixture(scope="module", params=[OLDEST_KEDA, NEWEST_KEDA])
def keda(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The schema of a ScaledObject from KEDA's own CRD, downloaded through the Go module proxy."""
    go = shutil.which("go")
    if go is None:
        pytest.skip("Go is not installed")
    folder = tmp_path_factory.mktemp("keda")
    environment = os.environ | {"GOMODCACHE": str(folder), "GOFLAGS": "-modcacherw"}
    answer = subprocess.run(
        [go, "mod", "download", "-json", f"github.com/kedacore/keda/v2@v{request.param}.0"],
        capture_output=True, text=True, check=False, cwd=folder, env=environment, timeout=200,
    )  # fmt: skip
    if answer.returncode != 0:
        pytest.skip(f"KEDA could not be had: {answer.stdout[-500:]}")
    file = Path(json.loads(answer.stdout)["Dir"]) / "config" / "crd" / "bases" / "keda.sh_scaledobjects.yaml"
    (version,) = yaml.safe_load(file.read_text())["spec"]["versions"]
    schema: dict[str, Any] = version["schema"]["openAPIV3Schema"]
    return schema


@pytest.mark.integration
def test_keda_knows_every_field(keda: dict[str, Any]) -> None:
    """A CRD ignores unknown fields, so the schema is closed here before it is used."""
    strict = closed(keda)
    for one in of_kind("ScaledObject").values():
        jsonschema.Draft202012Validator(strict).validate(one)
        wrong = copy.deepcopy(one)
        wrong["spec"]["minReplicas"] = 1
        assert not jsonschema.Draft202012Validator(strict).is_valid(wrong)


def closed(schema: Any) -> Any:
    """Forbid properties that a schema does not name."""
    if isinstance(schema, list):
        return [closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    result = {key: closed(value) for key, value in schema.items()}
    if isinstance(schema.get("properties"), dict) and schema.get("type") == "object":
        result.setdefault("additionalProperties", False)
    return result
