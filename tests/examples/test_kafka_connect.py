"""The schema of the Kafka Connect example agrees with the contract, and a real worker fills a real database."""

import json
import os
import random
import time
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest
from psycopg import conninfo

from deploy.local.stack import Stack
from deploy.schemas.contract import schemas
from services.common import ports
from services.common.loop import Message
from services.common.loop.transport import KafkaTransport
from services.common.settings import ServiceSettings, settings_of
from services.common.topics import CALLS
from tests.examples import connect
from tests.ledger.examples import call, call_withdrawal

EXAMPLE: Final = Path(__file__).resolve().parents[2] / "examples" / "kafka-connect"
CONFIGURATION: Final = json.loads((EXAMPLE / "jdbc-sink.json").read_text())["config"]
TYPES: Final = {
    "string": "string",
    "int16": "integer",
    "int32": "integer",
    "boolean": "boolean",
    "double": "number",
    "array": "array",
}
on_request = pytest.mark.skipif(
    not os.environ.get("XRAY_TEST_KAFKA_CONNECT"), reason="downloads 67 MB: set XRAY_TEST_KAFKA_CONNECT=1 to run"
)


def assert_agrees(field: dict[str, Any], schema: dict[str, Any], definitions: dict[str, Any]) -> None:
    if "$ref" in schema:
        schema = definitions[schema["$ref"].rsplit("/", 1)[-1]]
    if field["type"] == "struct":
        for inner in field["fields"]:
            assert_agrees(inner, schema["properties"][inner["field"]], definitions)
            assert inner["field"] in schema["required"]
        return
    assert TYPES[field["type"]] == schema["type"], field
    if field["type"] == "array":
        assert_agrees(field["items"], schema["items"], definitions)


def test_the_converters_schema_agrees_with_the_contract() -> None:
    schema, lost = schemas()["phenotype_call.v1.json"], schemas()["call_withdrawal.v1.json"]
    # A field with a default is not required of a reader, but every record has it.
    required = set(schema["required"]) & {*lost["required"], "activation"}
    fields = json.loads(CONFIGURATION["value.converter.schema.content"])["fields"]
    for field in fields:
        described = (schema if field["field"] in schema["properties"] else lost)["properties"]
        assert_agrees(field, described[field["field"]], schema["$defs"])
        assert field["optional"] == (field["field"] not in required), field
    assert CONFIGURATION["topics"] == CALLS.name
    assert CONFIGURATION["primary.key.fields"] in {field["field"] for field in fields}


@on_request
@pytest.mark.integration
def test_a_worker_fills_the_table_and_the_view_shows_the_current_calls(
    servers: Stack, dsn: str, tmp_path: Path
) -> None:
    connect.fetch_jars()
    ranks = [(1, 2, 1), (1, 3, 1), (1, 2, 2), (2, 2, 1)]
    calls = [call(f"m{n}", generation=g, revision=r, activation=a) for n in range(5) for g, r, a in ranks]
    random.Random(3).shuffle(calls)
    lost = [call_withdrawal("m0", generation=2, revision=3), call_withdrawal("m1", generation=1, revision=9)]
    settings = settings_of(servers.environment())
    with psycopg.connect(dsn, autocommit=True) as database:
        database.execute((EXAMPLE / "tables.sql").read_text())
        parts = conninfo.conninfo_to_dict(dsn)
        variables = {
            "XRAY_KAFKA_BOOTSTRAP": settings.kafka_bootstrap,
            "PHENOTYPE_DB_URL": f"jdbc:postgresql://{parts['host']}:{parts['port']}/{parts['dbname']}",
            "PHENOTYPE_DB_USER": str(parts["user"]),
            "PHENOTYPE_DB_PASSWORD": str(parts["password"]),
        }
        with closing(KafkaTransport(ServiceSettings.model_validate(settings.model_dump()), "test", [])) as producer:
            producer.publish([Message(CALLS, one) for one in [*lost, *calls, *calls[:7]]])
        with connect.worker(EXAMPLE, tmp_path, variables, ports.choose(1)[0]) as process:
            deadline = time.monotonic() + 240
            while database.execute("select count(*) from phenotype_call").fetchone() != (len(calls) + len(lost),):
                log = (tmp_path / "connect.log").read_text()[-6000:]
                assert process.poll() is None, log
                assert time.monotonic() < deadline, log
                time.sleep(0.5)
        found = database.execute(
            """
            select biological_sample_id, preprocessing_generation, revision, vector, labels, consensus_level1, produced
            from current_phenotype_call
            """
        ).fetchall()
    one = calls[0]
    rest = (list(one.vector), list(one.labels), one.consensus.level1, one.produced_at)
    assert sorted(found) == [(f"m{n}", 2, 2, *rest) for n in range(1, 5)]
