"""Frequent queries stay cheap in a ledger of many specimens: no plan reads a whole table."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.ledger import queries
from services.ledger.database import Connection

pytestmark = pytest.mark.integration

SPECIMENS = 10_000
# Every fiftieth specimen is incomplete; every fifth has a second call.
_FILL = """
insert into specimen
select 'S' || i, 'C' || i % 12, now() - i * interval '1 minute', case when i % 50 > 0 then now() end
from generate_series(1, {n}) as i;
insert into image (event_id, biological_sample_id, centre, parameter_stable_id, kind, image_uri, metadata,
                   announced_at, kafka_partition, kafka_offset)
select i || '-' || k, 'S' || i, 'C' || i % 12, 'IMPC_XRY_034_001', 'DV', 's3://b/k',
       jsonb_build_object('specimen', 'A-' || i), now(), 0, i
from generate_series(1, {n}) as i, generate_series(1, 2) as k;
insert into view
select 'S' || i, 'p1', view, i || view, 1, 'C' || i % 12, 'IMPC_XRY_034_001', i || view, 'u', 'k', 's', 'o', '{{}}',
       '{{}}', '{{}}', now(), now()
from generate_series(1, {n}) as i, unnest(array['DV', 'LAT']) as view where i % 50 > 0 or view = 'DV';
insert into call (call_id, biological_sample_id, centre, revision, preprocessing_version, preprocessing_generation,
                  activation, labels, vector, abnormal, abnormal_elsewhere, consensus, models, uncertain, disagreement,
                  tensor_key, tensor_sha256, views, announced_at, produced_at, recorded_at)
select i || '-' || k, 'S' || i, 'C' || i % 12, 1 + k, 'p1', 1, 1, '{{Spine}}', '{{0}}', i % 33 = 0, false, '{{}}', '[]',
       '{{}}', '{{}}', 't', 's', '[]', now(), now(), now() - ({n} - i) * interval '1 minute'
from generate_series(1, {n}) as i, generate_series(1, 2) as k where i % 50 > 0 and (k = 1 or i % 5 = 0);
insert into rejection (rejection_id, stage, reason, words, details, biological_sample_id, source_topic,
                       source_partition, source_offset, source_timestamp, headers, produced_at, recorded_at)
select i::text, 'intake', 'view_blank', 'w', '{{}}', 'S' || i, 't', 0, i, now(), '[]', now(),
       now() - i * interval '1 minute'
from generate_series(1, {n}) as i;
analyze
"""


@pytest.fixture
def large(reader: Connection) -> Connection:
    """A ledger of many specimens: some 75,000 rows."""
    reader.execute(_FILL.format(n=SPECIMENS).encode())
    return reader


def _rows_read(connection: Connection) -> int:
    """Rows that sequential and index scans returned in this session's finished transactions."""
    connection.execute("select pg_stat_force_next_flush()")
    query = "select coalesce(sum(seq_tup_read + idx_tup_fetch), 0)::bigint from pg_stat_user_tables"
    (count,) = connection.execute(query).fetchone() or (0,)
    return int(count)


@pytest.mark.parametrize(
    ("question", "values", "most"),
    [
        ("select * from specimen_state where biological_sample_id = %s", ["S5001"], 20),
        ("select * from current_call where biological_sample_id = %s", ["S5001"], 10),
        ("select biological_sample_id from centre_id where centre_id = %s", ["A-5001"], 10),
        ("select * from current_call order by sequence desc limit 50", [], 200),
        ("select * from current_call where centre = %s order by sequence desc limit 50", ["C5"], 1000),
        ("select * from incomplete_specimen where announced_at < %s order by announced_at limit 50", None, 600),
    ],
)
def test_a_frequent_question_reads_few_rows(
    large: Connection, question: str, values: list[Any] | None, most: int
) -> None:
    given = [datetime.now(UTC) - timedelta(minutes=1)] if values is None else values
    before = _rows_read(large)
    found = large.execute(question.encode(), given, prepare=False).fetchall()

    assert 0 < len(found) <= 50
    assert _rows_read(large) - before <= most


def test_one_specimen_and_what_is_new_are_cheap_through_the_queries(large: Connection) -> None:
    before = _rows_read(large)
    assert queries.specimen_state(large, "S77") is not None
    assert len(queries.incomplete_specimens(large, timedelta(minutes=1), centre="C2", limit=5)) == 5
    assert queries.calls_after(large, queries.newest_sequence(large)) == []
    assert len(queries.rejections(large, reason="view_blank", limit=20)) == 20
    assert queries.current_calls(large, since=datetime.now(UTC) + timedelta(days=1)) == []
    assert _rows_read(large) - before <= 200


def test_the_fates_of_recent_images_are_read_without_the_older_ones(large: Connection) -> None:
    large.execute("update image set announced_at = now() - interval '1 year' where biological_sample_id <> 'S77'")
    large.execute("update rejection set recorded_at = now() - interval '1 year'")
    large.execute("analyze")
    before = _rows_read(large)
    (found,) = queries.fate_counts(large, since=datetime.now(UTC) - timedelta(days=7))
    assert (found.centre, found.images) == ("C5", 2)
    assert _rows_read(large) - before <= 200
