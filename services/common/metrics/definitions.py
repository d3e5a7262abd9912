"""The metrics that every service exports, named by Prometheus convention (docs/metrics.md is generated from them)."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram, disable_created_metrics

# In Prometheus' text format creation times are separate series: they would double the number of series.
disable_created_metrics()  # type: ignore[no-untyped-call]

_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)

RECEIVED: Final = Counter("xray_records_received_total", "Records read and committed.", ["stage", "topic"])
DONE: Final = Counter("xray_records_done_total", "Records that were handled.", ["stage"])
SKIPPED: Final = Counter("xray_records_skipped_total", "Records that needed no work, by cause.", ["stage", "cause"])
REJECTED: Final = Counter(
    "xray_records_rejected_total", "Records written to the dead letters, by reason code.", ["stage", "reason"]
)
PARKED: Final = Counter(
    "xray_records_parked_total",
    "Records set aside on a retry topic because the source of their image does not answer or is slow, by kind of "
    "source: `https`, `objects` (another bucket); or because their centre has used its share of the time for decoding: "
    "`decoder`.",
    ["stage", "source"],
)
LAST_PARKED: Final = Gauge(
    "xray_last_parked_timestamp_seconds", "When an image of this centre was last set aside.", ["stage", "centre"]
)
DELAY: Final = Histogram(
    "xray_record_delay_seconds",
    "From a record's timestamp to the commit of its offset; without the records of retry topics, which have to wait.",
    ["stage"],
    buckets=(*_SECONDS, 60, 600, 3600),
)
BATCH: Final = Histogram(
    "xray_batch_records", "Records of one batch.", ["stage"], buckets=(1, 2, 4, 8, 16, 32, 64, 128, 512)
)
STEP: Final = Histogram(
    "xray_step_seconds",
    "Time of one step: `batch`, `handle`, `publish` and `commit` of a batch, and the service's own steps.",
    ["stage", "step"],
    buckets=_SECONDS,
)
RETRIES: Final = Counter(
    "xray_retries_total",
    "Attempts that failed because a server was away, by step: `start`, `poll`, `handle`, `publish`, `commit`.",
    ["stage", "what"],
)
SERVER_ERRORS: Final = Counter(
    "xray_server_errors_total",
    "The same failed attempts by server (`kafka`, `objects`, `triton`, `postgres`, `https`, `machine` for the worker's "
    "own disk, memory or file handles, rarely `other`) and the client's name for the error.",
    ["stage", "server", "kind"],
)
READ_BYTES: Final = Counter(
    "xray_read_bytes_total", "Bytes read, by source: `kafka` (values), `objects`, `https`.", ["stage", "source"]
)
WRITTEN_BYTES: Final = Counter(
    "xray_written_bytes_total", "Bytes written, by target: `kafka` (values), `objects`.", ["stage", "target"]
)
DECODERS_LOST: Final = Counter(
    "xray_decoders_lost_total",
    "Decoder processes of intake that were lost and replaced, by cause: `crashed`, `killed` (from outside), or the "
    "limit that was exceeded: `seconds`, `cpu_seconds`, `memory_mb`.",
    ["stage", "cause"],
)
LAG_RECORDS: Final = Gauge(
    "xray_lag_records",
    "Records after the committed offsets of the whole group; every worker reports the same value: use the max. On a "
    "retry topic these are the records that wait for their source.",
    ["stage", "topic"],
)
LAG_SECONDS: Final = Gauge(
    "xray_lag_seconds",
    "Age of the oldest record after the group's committed offsets, by its timestamp; 0 when none waits. Use the max. "
    "On a retry topic, the time since that record became due.",
    ["stage", "topic"],
)
LAG_SAMPLED: Final = Gauge(
    "xray_lag_sampled_timestamp_seconds", "When the two lags were last measured (every 10 s).", ["stage"]
)
ASSIGNED: Final = Gauge("xray_assigned_partitions", "Partitions assigned to this worker.", ["stage"])
LAST_POLL: Final = Gauge("xray_last_poll_timestamp_seconds", "When the loop last polled or retried.", ["stage"])
READY: Final = Gauge("xray_ready", "1 while the service works, 0 while it starts or waits for a server.", ["stage"])
BUILD: Final = Gauge("xray_build_info", "Always 1; the program's version as a label.", ["stage", "version"])
