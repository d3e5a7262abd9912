"""Certificates, passwords and rights of a secure stack, kept in the folder `security` of the stack.

A stack is secure from its first `xray stack up --secure` until `xray stack down --clear`. Each service, and each kind
of person or program outside, is a principal with credentials for exactly the servers and objects that it needs.
"""

import json
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from deploy.local.certificates import create_certificates
from services.common.topology import SERVICES

FOLDER: Final = "security"
ADMIN: Final = "admin"
"""Sets the system up (`xray init`, `xray access`). The file `environment` of a secure stack holds its credentials."""
OPERATOR: Final = "operator"
CENTRE: Final = "centre"
SUBSCRIBER: Final = "subscriber"
PRINCIPALS: Final = (ADMIN, *SERVICES, OPERATOR, CENTRE, SUBSCRIBER)
BUCKET: Final = "xray"
_SERVERS: Final = ("kafka", "seaweedfs", "triton", "postgres")
_SECRETS: Final = ("postgres", "seaweedfs", "triton_control")

OBJECT_RIGHTS: Final[Mapping[str, tuple[str, ...]]] = {
    ADMIN: ("Admin", "Read", "Write", "List", "Tagging"),
    "intake": (
        f"Read:{BUCKET}/originals/*", f"Write:{BUCKET}/originals/*", f"Write:{BUCKET}/views/*", f"List:{BUCKET}",
    ),
    "assembler": (f"Write:{BUCKET}/views/*", f"List:{BUCKET}"),
    "fuser": (
        f"Read:{BUCKET}/views/*", f"Read:{BUCKET}/tensors/*", f"Write:{BUCKET}/tensors/*", f"List:{BUCKET}",
    ),
    "classifier": (
        f"Read:{BUCKET}/tensors/*", f"Read:{BUCKET}/sets/*", f"Read:{BUCKET}/references/*", f"List:{BUCKET}",
    ),
    OPERATOR: (f"Read:{BUCKET}", f"Write:{BUCKET}", f"List:{BUCKET}"),
    CENTRE: (f"Write:{BUCKET}/originals/*", f"List:{BUCKET}"),
}  # fmt: skip
"""Actions of SeaweedFS by principal. `List` also answers whether the bucket exists. The others have none."""
MODEL_CONTROL: Final = (ADMIN, OPERATOR, "classifier")
"""Principals that may load models: the classifier loads a version again that Triton has lost."""


class Security:
    """The security folder of one stack. Without the folder, the stack is not secure."""

    def __init__(self, stack: Path) -> None:
        """Use the stack in this folder; nothing is written before `create`."""
        self.root = stack.absolute() / FOLDER
        self._passwords = self.root / "passwords.json"

    @property
    def enabled(self) -> bool:
        """Whether the stack is secure."""
        return self._passwords.exists()

    def create(self) -> None:
        """Create certificates and passwords. A folder that an interrupted call left is completed."""
        if self.enabled:
            return
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        create_certificates(self.root, (*_SERVERS, *PRINCIPALS))
        passwords = {name: secrets.token_hex(20) for name in (*PRINCIPALS, *_SECRETS)}
        write_private(self._passwords, json.dumps(passwords, indent=1) + "\n")

    def password(self, name: str) -> str:
        """Return the password of a principal, or another secret of the stack."""
        passwords: dict[str, str] = json.loads(self._passwords.read_text(encoding="ascii"))
        return passwords[name]

    @property
    def authority(self) -> Path:
        """The certificate by which every other one is verified."""
        return self.root / "ca.pem"

    def certificate(self, name: str) -> Path:
        """Return the certificate of a server or principal."""
        return self.root / f"{name}.pem"

    def key(self, name: str) -> Path:
        """Return the private key of a server or principal, in PKCS #8."""
        return self.root / f"{name}.key"

    @property
    def credentials(self) -> Path:
        """The folder with one environment file per principal."""
        return self.root / "credentials"

    def write_credentials(self, principal: str, values: Mapping[str, str]) -> None:
        """Write KEY=VALUE lines with which a process acts as this principal."""
        self.credentials.mkdir(mode=0o700, exist_ok=True)
        lines = "".join(f"{key}={value}\n" for key, value in values.items())
        write_private(self.credentials / f"{principal}.env", lines)


def write_private(path: Path, text: str) -> None:
    """Replace a file atomically; only its owner can ever read it."""
    partial = path.with_name(f"{path.name}.partial")
    partial.unlink(missing_ok=True)
    partial.touch(mode=0o600)
    partial.write_text(text, encoding="ascii")
    partial.replace(path)
