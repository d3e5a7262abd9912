"""What Faust's own Kafka client presents to the broker."""

import ssl

from pydantic import SecretStr

from services.monitor.app import credentials
from services.monitor.settings import MonitorSettings


def test_faust_uses_the_same_credentials_as_the_other_clients() -> None:
    found = credentials(
        MonitorSettings(kafka_security="SASL_SSL", kafka_username="monitor", kafka_password=SecretStr("word"))
    )
    assert (found.protocol.value, found.mechanism.value) == ("SASL_SSL", "SCRAM-SHA-512")
    assert (found.username, found.password) == ("monitor", "word")
    assert found.ssl_context.check_hostname


def test_faust_connects_by_certificate_or_to_an_open_broker() -> None:
    assert isinstance(credentials(MonitorSettings(kafka_security="SSL")), ssl.SSLContext)
    assert credentials(MonitorSettings()) is None
