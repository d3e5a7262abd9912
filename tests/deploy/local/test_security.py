"""Certificates and credentials of a secure stack."""

import socket
import ssl
import stat
import threading
from pathlib import Path

import pytest

from deploy.local.errors import StackError
from deploy.local.security import ADMIN, OBJECT_RIGHTS, PRINCIPALS, Security
from deploy.local.stack import Stack
from services.common.topology import SERVICES


@pytest.fixture
def security(tmp_path: Path) -> Security:
    found = Security(tmp_path)
    found.create()
    return found


def test_nobody_else_reads_a_password_or_a_key(security: Security) -> None:
    security.write_credentials("intake", {"A": "1"})
    assert stat.S_IMODE(security.root.stat().st_mode) == 0o700
    private = [*security.root.glob("*.key"), *security.root.glob("*.json"), *security.credentials.iterdir()]
    assert len(private) > len(PRINCIPALS)
    assert {stat.S_IMODE(file.stat().st_mode) for file in private} == {0o600}


def test_the_key_of_the_authority_is_not_kept(security: Security) -> None:
    assert not (security.root / "ca.key").exists()
    assert "PRIVATE" not in security.authority.read_text()


def test_passwords_differ_and_stay_the_same(security: Security, tmp_path: Path) -> None:
    passwords = {name: security.password(name) for name in PRINCIPALS}
    assert len(set(passwords.values())) == len(PRINCIPALS)
    again = Security(tmp_path)
    again.create()
    assert {name: again.password(name) for name in PRINCIPALS} == passwords


def test_both_ends_of_a_connection_verify_each_other(security: Security) -> None:
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(security.authority))
    server.verify_mode = ssl.CERT_REQUIRED
    server.load_cert_chain(security.certificate("kafka"), security.key("kafka"))
    client = ssl.create_default_context(cafile=str(security.authority))
    client.load_cert_chain(security.certificate("intake"), security.key("intake"))
    names: list[object] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            with server.wrap_socket(listener.accept()[0], server_side=True) as connection:
                names.append((connection.getpeercert() or {})["subject"])
                connection.send(b".")

        thread = threading.Thread(target=accept)
        thread.start()
        with (
            socket.create_connection(listener.getsockname()) as plain,
            client.wrap_socket(plain, server_hostname="127.0.0.1") as connection,
        ):
            assert connection.recv(1) == b"."
        thread.join()
    assert names == [((("commonName", "intake"),),)]


def test_only_the_administrator_may_do_everything_with_objects() -> None:
    for principal, actions in OBJECT_RIGHTS.items():
        assert ("Admin" in actions) == (principal == ADMIN)
        if principal in SERVICES:
            assert all(":xray" in action for action in actions)
            assert not any(action.startswith("Write") and "models" in action for action in actions)
            assert not {"Read:xray", "Write:xray"} & set(actions)


def test_a_stack_without_security_is_not_made_secure_later(tmp_path: Path) -> None:
    (tmp_path / "kafka").mkdir()
    with pytest.raises(StackError, match="created without security"):
        Stack(tmp_path, secure=True).up([])
