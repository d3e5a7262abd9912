"""How a client proves to Triton that it may control models, and what happens without that proof."""

from typing import Any

import pytest
from pydantic import SecretStr
from tritonclient.utils import InferenceServerException

from services.common.errors import Fatal
from services.common.settings import Settings
from services.registry.triton_client import connect, load, ready_versions, restart


def test_the_control_key_is_sent_with_every_call() -> None:
    client = connect(Settings(triton_control_key=SecretStr("the key")))
    assert dict(client._get_metadata(None)) == {"triton-grpc-protocol-control-key": "the key"}
    assert dict(client._get_metadata({"other": "1"})) == {"other": "1", "triton-grpc-protocol-control-key": "the key"}


def test_no_key_sends_no_header() -> None:
    assert not dict(connect(Settings())._get_metadata(None))


def test_a_missing_certificate_is_named() -> None:
    with pytest.raises(Fatal, match="XRAY_TRITON_CA_FILE"):
        connect(Settings(triton_ca_file="/does/not/exist.pem"))


class Restricted:
    """A Triton that asks for another key; it answers like version 2.51."""

    def load_model(self, *_: Any, **__: Any) -> None:
        raise InferenceServerException(
            "This protocol is restricted, expecting header 'triton-grpc-protocol-control-key'", "StatusCode.UNAVAILABLE"
        )

    unload_model = get_model_repository_index = load_model


@pytest.mark.parametrize(
    "action", [lambda client: load(client, "cae"), lambda client: restart(client, "cae"), ready_versions]
)
def test_a_wrong_key_is_a_misconfiguration_although_triton_says_unavailable(action: Any) -> None:
    with pytest.raises(Fatal, match="XRAY_TRITON_CONTROL_KEY"):
        action(Restricted())
