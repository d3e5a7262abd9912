"""How a client proves to Kafka who it is, and how it learns that Kafka refused.

kafka-python means to raise a refusal from the next use of a client, but it looks for it where it is never raised, and
so connects again until a time-out that does not name the cause. `RefusalAwareClient` puts it where the library looks.
"""

import ssl
import time
from collections.abc import Callable
from typing import Any, Final

from kafka import errors
from kafka.net.compat import KafkaNetClient
from kafka.net.manager import KafkaConnectionManager
from kafka.net.selector import NetworkSelector

from services.common.errors import Fatal
from services.common.settings import Settings

PATIENCE_SECONDS: Final = 10.0
"""A broker that starts may refuse a correct password for a moment, so a client that was connected tries this long."""
_SASL: Final = (
    errors.SaslAuthenticationFailedError,
    errors.UnsupportedSaslMechanismError,
    errors.IllegalSaslStateError,
)
_TLS_ERROR: Final = "[SSL: "
_INTERRUPTED: Final = "EOF"
"""A connection that was cut is a TLS error too, but no refusal."""


class ConnectionRefusedByBrokerError(errors.AuthorizationError):  # type: ignore[misc]  # kafka-python is not typed
    """TLS or the protocol does not fit: a certificate is missing or unknown, or one side expects no TLS."""


def security_options(settings: Settings) -> dict[str, Any]:
    """Return kafka-python's options for TLS and SASL; raises Fatal for a certificate or key that cannot be read."""
    options: dict[str, Any] = {"security_protocol": settings.kafka_security, "kafka_client": RefusalAwareClient}
    if (context := tls_context(settings)) is not None:
        options["ssl_context"] = context
    if settings.kafka_security.startswith("SASL"):
        options |= {
            "sasl_mechanism": settings.kafka_mechanism,
            "sasl_plain_username": settings.kafka_username,
            "sasl_plain_password": settings.kafka_password.get_secret_value(),
        }
    return options


def tls_context(settings: Settings) -> ssl.SSLContext | None:
    """Return the TLS context of every connection to Kafka, None without TLS.

    It verifies the broker's certificate and host name. Raises Fatal for a file that cannot be read.
    """
    if not settings.kafka_security.endswith("SSL"):
        return None
    try:
        context = ssl.create_default_context(cafile=settings.kafka_ca_file or None)
        if settings.kafka_cert_file:
            context.load_cert_chain(settings.kafka_cert_file, settings.kafka_key_file or None)
    except OSError as error:  # ssl.SSLError is one
        msg = (
            f"cannot read the certificates for Kafka: {error}; "
            "check XRAY_KAFKA_CA_FILE, XRAY_KAFKA_CERT_FILE and XRAY_KAFKA_KEY_FILE"
        )
        raise Fatal(msg) from error
    return context


class RefusalAwareClient(KafkaNetClient):  # type: ignore[misc]
    """kafka-python's network client, which raises a refusal instead of connecting again for ever."""

    def __init__(self, net: Any = None, manager: Any = None, **configs: Any) -> None:
        """Take the library's arguments."""
        net = NetworkSelector(**configs) if net is None else net
        super().__init__(net, _Manager(net, **configs) if manager is None else manager, **configs)


class _Manager(KafkaConnectionManager):  # type: ignore[misc]
    """Records why a broker refused a connection, so that `get_connection` raises it, and leaves nothing running."""

    def __init__(self, net: Any, **configs: Any) -> None:
        super().__init__(net, **configs)
        self._refused_since: dict[Any, float] = {}
        self._was_connected = False

    def bootstrap(self, *arguments: Any, **options: Any) -> None:
        """Find the brokers; without success also end the client's thread, which the library would leave running."""
        try:
            super().bootstrap(*arguments, **options)
        except BaseException:
            self.close()
            self._net.close()
            raise

    async def _build_transport(self, node: Any, **options: Any) -> Any:
        transport = await super()._build_transport(node, **options)
        transport._sock_recv = _data_before_error(transport._sock_recv)
        return transport

    async def _connect(self, node: Any, conn: Any, **options: Any) -> None:
        await super()._connect(node, conn, **options)
        if conn.init_future.is_done:
            self.note(node.node_id, conn.init_future.exception)

    def note(self, node_id: Any, error: Exception | None) -> None:
        """Record the outcome of a connection attempt; `error` is None if it succeeded."""
        refused = refusal(error)
        if refused is None:
            if error is None:
                self._refused_since.clear()
                self._was_connected = True
            return
        since = self._refused_since.setdefault(node_id, time.monotonic())
        if not self._was_connected or time.monotonic() - since >= PATIENCE_SECONDS:
            self._auth_failures[node_id] = refused


def _data_before_error(receive: Callable[[], tuple[bytes, Any]]) -> Callable[[], tuple[bytes, Any]]:
    """Return an end of the connection only after the data that came with it.

    kafka-python drops such data. The broker closes a connection right after the answer that refuses it.
    """
    held: list[Any] = []

    def received() -> tuple[bytes, Any]:
        if held:
            return b"", held.pop()
        data, error = receive()
        if data and error is not None:
            held.append(error)
            return data, None
        return data, error

    return received


def refusal(error: Exception | None) -> errors.KafkaError | None:
    """Return the error by which a connection was refused, None if another attempt may succeed."""
    if isinstance(error, _SASL):
        return error
    if isinstance(error, errors.InvalidReceiveError):
        return ConnectionRefusedByBrokerError(f"the broker's answer is not Kafka's protocol, perhaps TLS: {error}")
    if isinstance(error, errors.KafkaConnectionError) and _TLS_ERROR in str(error) and _INTERRUPTED not in str(error):
        return ConnectionRefusedByBrokerError(str(error))
    return None
