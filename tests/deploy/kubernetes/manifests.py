"""The manifests as `kubectl apply --kustomize` would send them."""

import shutil
import subprocess
from functools import cache
from typing import Any

import pytest
import yaml

from tests.deploy.compose_file import CLONE

FOLDER = CLONE / "deploy" / "kubernetes"


@cache
def manifests() -> tuple[dict[str, Any], ...]:
    """Every object, built by kustomize itself; skipped if neither kubectl nor kustomize is installed."""
    if kubectl := shutil.which("kubectl"):
        command = [kubectl, "kustomize", str(FOLDER)]
    elif kustomize := shutil.which("kustomize"):
        command = [kustomize, "build", str(FOLDER)]
    else:
        pytest.skip("neither kubectl nor kustomize is installed")
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr[:2000]
    return tuple(yaml.safe_load_all(answer.stdout))


def of_kind(kind: str) -> dict[str, dict[str, Any]]:
    """Objects of one kind by name."""
    return {one["metadata"]["name"]: one for one in manifests() if one["kind"] == kind}


def container(deployment: dict[str, Any]) -> dict[str, Any]:
    """The one container of a Deployment, Job or CronJob."""
    (found,) = _template(deployment)["spec"]["containers"]
    result: dict[str, Any] = found
    return result


def pods() -> dict[str, dict[str, Any]]:
    """Pod templates of Deployments, Jobs and CronJobs by the object's name."""
    return {name: _template(one) for kind in ("Deployment", "Job", "CronJob") for name, one in of_kind(kind).items()}


def _template(one: dict[str, Any]) -> dict[str, Any]:
    template: dict[str, Any] = one["spec"].get("jobTemplate", one)["spec"]["template"]
    return template
