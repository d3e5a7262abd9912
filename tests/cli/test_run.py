"""`xray run SERVICE` builds each service from settings and imports only its own libraries."""

import json
import subprocess
import sys

import pytest

HEAVY = {"tritonclient", "psycopg", "onnxruntime", "pydicom", "faust", "torch"}
PROGRAM = """
import json, sys
from services.cli.run import Service, make
handler, _ = make(Service(sys.argv[1]))
handler.close()
print(json.dumps([handler.stage, sorted({name.partition(".")[0] for name in sys.modules})]))
"""


@pytest.mark.parametrize(
    ("service", "needed"),
    [
        ("intake", {"onnxruntime", "pydicom"}),
        ("assembler", set()),
        ("fuser", set()),
        ("classifier", {"tritonclient"}),
        ("sink", {"psycopg"}),
    ],
)
def test_a_service_imports_only_its_own_libraries(service: str, needed: set[str]) -> None:
    made = subprocess.run(
        [sys.executable, "-c", PROGRAM, service], capture_output=True, text=True, check=True, timeout=60
    )
    stage, modules = json.loads(made.stdout)
    assert stage == service
    assert HEAVY & set(modules) == needed
