"""Small recorders for the job's own logic; the servers themselves are in tests/integration/test_refresh.py."""

from dataclasses import dataclass, field

from pydantic import SecretStr

from services.common.errors import Rejected


@dataclass
class Objects:
    """An object store in memory."""

    kept: dict[str, bytes] = field(default_factory=dict)

    def put(self, key: str, data: bytes, _content_type: str = "") -> None:
        self.kept[key] = data

    def get(self, key: str) -> bytes:
        if key not in self.kept:
            raise Rejected("object_missing", f"no {key}")
        return self.kept[key]

    def exists(self, key: str) -> bool:
        return key in self.kept


class Lease:
    """A lease that is never lost."""

    def confirm(self) -> None:
        return None


class Servers:
    """Settings of a server that does not exist."""

    triton_grpc = "127.0.0.1:1"
    triton_ca_file = ""
    triton_control_key = SecretStr("")
