"""Numbered migrations of the ledger's schema. Each is applied once and never changed afterwards."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from services.common.errors import Fatal, Rejected
from services.ledger.database import Connection, connect, sorted_errors

_FOLDER: Final = Path(__file__).with_name("migrations")
_LOCK: Final = 0x58524159  # "XRAY"; any number that no other program uses in this database
_APPLIED: Final = """
create table if not exists schema_migration (
    name text primary key,
    sha256 text not null,
    applied_at timestamptz not null default now()
)
"""


@dataclass(frozen=True)
class Migration:
    """One numbered SQL file."""

    name: str
    sql: str

    @property
    def sha256(self) -> str:
        """Digest of the file, hex."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def migrations(folder: Path = _FOLDER) -> list[Migration]:
    """Read all migrations in order."""
    return [Migration(path.stem, path.read_text(encoding="utf-8")) for path in sorted(folder.glob("[0-9]*.sql"))]


def migrate(dsn: str, folder: Path = _FOLDER) -> list[str]:
    """Apply the missing migrations in one transaction and return their names.

    Several processes may run it at once. Raises Fatal when an applied migration has changed since, when one fails, or
    when the database's encoding is not UTF-8; Retriable when the database is away.
    """
    try:
        with connect(dsn, "xray-init") as connection, sorted_errors("migrate"), connection.transaction():
            return _apply(connection, migrations(folder))
    except Rejected as rejected:
        msg = f"the ledger could not be migrated and is unchanged: {rejected.message}"
        raise Fatal(msg) from rejected


def check_migrated(connection: Connection) -> None:
    """Raise Fatal when migrations that this program needs are missing or have changed."""
    with sorted_errors("read the applied migrations"):
        missing = _missing(connection, migrations())
    if missing:
        names = ", ".join(migration.name for migration in missing)
        msg = f"the ledger lacks the migrations {names}; run `xray init`"
        raise Fatal(msg)


def _apply(connection: Connection, known: list[Migration]) -> list[str]:
    connection.execute("select pg_advisory_xact_lock(%s)", [_LOCK])
    _require_utf8(connection)
    connection.execute(_APPLIED)
    missing = _missing(connection, known)
    for migration in missing:
        connection.execute(migration.sql.encode())
        connection.execute(
            "insert into schema_migration (name, sha256) values (%s, %s)", [migration.name, migration.sha256]
        )
    return [migration.name for migration in missing]


def _missing(connection: Connection, known: list[Migration]) -> list[Migration]:
    applied: dict[str, str] = dict(connection.execute("select name, sha256 from schema_migration").fetchall())
    changed = [one.name for one in known if applied.get(one.name, one.sha256) != one.sha256]
    if changed:
        msg = f"migrations changed after they were applied: {', '.join(changed)}; restore them and add a new one"
        raise Fatal(msg)
    return [one for one in known if one.name not in applied]


def _require_utf8(connection: Connection) -> None:
    row = connection.execute("show server_encoding").fetchone()
    if row != ("UTF8",):
        msg = f"the database is encoded in {row and row[0]}, not UTF8 (XRAY_POSTGRES_DSN); create it with encoding UTF8"
        raise Fatal(msg)
