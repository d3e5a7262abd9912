"""Write the tables of rights into docs/security.md: `python -m deploy.access_page`."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final

from deploy.local.security import OBJECT_RIGHTS
from services.common.topology import TOPOLOGY
from services.operations.access import AccessRight, Grantee, role_rights, service_rights

PAGE: Final = Path(__file__).parents[1] / "docs" / "security.md"
_GRANTEES: Final = (
    Grantee("operator", "OPERATOR"),
    Grantee("centre", "PRINCIPAL", "CENTRE"),
    Grantee("subscriber", "SUBSCRIBER"),
)


def page(text: str) -> str:
    """Return the page with both tables replaced by the present ones."""
    for name, table in _TABLES.items():
        begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->"
        before, _, rest = text.partition(begin)
        text = before + begin + table() + end + rest.partition(end)[2]
    return text


def _kafka() -> str:
    owned = {one.name: service_rights(one) for one in TOPOLOGY}
    owned |= {f"{one.role} `{one.principal}`": role_rights(one) for one in _GRANTEES}
    rows = (
        f"| {who} | {_cell(rights, 'READ')} | {_cell(rights, 'WRITE')} | {_other(rights)} |"
        for who, rights in owned.items()
    )
    return _table("| principal | reads | writes | also |", rows)


def _cell(rights: Iterable[AccessRight], operation: str) -> str:
    return _names(right for right in rights if right.resource == "topic" and right.operation == operation)


def _other(rights: Iterable[AccessRight]) -> str:
    parts: dict[str, set[AccessRight]] = {}
    for right in rights:
        if right.resource != "topic" or right.operation not in {"READ", "WRITE"}:
            parts.setdefault(f"{right.operation.lower()} {right.resource}", set()).add(right)
    return "; ".join(f"{what} {_names(parts[what])}" for what in sorted(parts))


def _names(rights: Iterable[AccessRight]) -> str:
    names = sorted(right.name + ("*" if right.prefixed else "") for right in rights)
    return ", ".join(f"`{name}`" for name in names)


def _objects() -> str:
    rows = (f"| {who} | {', '.join(f'`{action}`' for action in actions)} |" for who, actions in OBJECT_RIGHTS.items())
    return _table("| principal | actions |", rows)


def _table(head: str, rows: Iterable[str]) -> str:
    rule = "|" + " --- |" * (head.count("|") - 1)
    return "\n".join(("", head, rule, *rows, "", ""))


_TABLES: Final[Mapping[str, Callable[[], str]]] = {"rights on Kafka": _kafka, "rights on objects": _objects}


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))
