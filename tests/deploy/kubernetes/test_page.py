"""The prerequisites in docs/kubernetes.md compared with the manifests."""

import re

from tests.deploy.compose_file import CLONE
from tests.deploy.kubernetes.manifests import container, of_kind
from tests.deploy.kubernetes.test_schemas import NEWEST_KEDA, OLDEST_KEDA

PAGE = (CLONE / "docs" / "kubernetes.md").read_text()
(BEFORE,) = re.findall(r"## Prerequisites\n(.*?)\n## ", PAGE, re.DOTALL)


def test_strimzi_may_run_its_pods_where_ours_run_and_acts_on_topics() -> None:
    (namespace,) = of_kind("Namespace").values()
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    assert f"in the namespace `{namespace['metadata']['name']}`" in BEFORE
    assert "`STRIMZI_POD_SECURITY_PROVIDER_CLASS=restricted`" in BEFORE
    assert of_kind("KafkaTopic")
    assert "`entityOperator.topicOperator`" in BEFORE


def test_the_required_keda_knows_every_field() -> None:
    assert f"[KEDA](https://keda.sh) {OLDEST_KEDA} or newer" in BEFORE
    assert f"KEDA's own ({OLDEST_KEDA} and {NEWEST_KEDA})" in PAGE


def test_the_models_are_installed_where_triton_reads_them() -> None:
    (place,) = re.findall(r"`XRAY_MODEL_REPOSITORY=s3://([\w/-]+)`", BEFORE)
    arguments = container(of_kind("Deployment")["triton"])["args"]
    (repository,) = (word for word in arguments if word.startswith("--model-repository="))
    assert repository.endswith(f"/{place}")
