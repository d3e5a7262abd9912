"""*Pipeline*: is it alive, does it keep up, and what does it reject?"""

from typing import Final

from deploy.grafana.screen import PanelRow, Screen, Unit, bars, lines, numbers

_GLANCE: Final = PanelRow(
    "At a glance",
    (
        numbers(
            "Alerts firing", "docs/playbook.md explains what to do.", Unit.COUNT,
            ('count(ALERTS{alertstate="firing", alertname!="Watchdog"}) or vector(0)', "alerts"), limit=1,
        ),
        numbers(
            "Oldest image in flight", "Announced, but without an outcome so far. CallsLate fires at half an hour.",
            Unit.SECONDS, ("max(xray_ledger_oldest_in_flight_seconds)", "age"), limit=1800,
        ),
        numbers(
            "Largest lag", "Age of the oldest record that waits for any service.", Unit.SECONDS,
            ("max(xray_lag_seconds)", "age"), limit=300,
        ),
        numbers("Calls per hour", "Phenotype calls published.", Unit.PER_HOUR,
                ("sum(rate(xray_calls_total[$__rate_interval])) * 3600", "calls")),
        numbers("Workers ready", "Per service; 0 while it starts or waits for a server.", Unit.COUNT,
                ("sum by (stage) (xray_ready)", "{{stage}}"), width=8),
    ),
)  # fmt: skip

_FLOW: Final = PanelRow(
    "Flow",
    (
        lines("Records read", "Read and committed, by service.", Unit.PER_SECOND,
              ("sum by (stage) (rate(xray_records_received_total[$__rate_interval]))", "{{stage}}")),
        lines("Lag in seconds", "Age of the oldest waiting record, by service and topic.", Unit.SECONDS,
              ("max by (stage, topic) (xray_lag_seconds)", "{{stage}} {{topic}}"), limit=300),
        lines("Lag in records", "Waiting records, by service and topic.", Unit.COUNT,
              ('max by (stage, topic) (xray_lag_records{topic!~".+[.]retry[.].+"})', "{{stage}} {{topic}}")),
        lines(
            "From announcement to call",
            "From the image that completed a specimen's views to the call's row in the ledger.", Unit.SECONDS,
            *((f"histogram_quantile({q}, sum by (le) (rate(xray_call_delay_seconds_bucket[$__rate_interval])))", name)
              for q, name in ((0.5, "median"), (0.95, "95 %"), (0.99, "99 %"))),
        ),
        lines(
            "From record to commit, 95 %", "Waiting and processing time together, per service.", Unit.SECONDS,
            ("histogram_quantile(0.95, sum by (le, stage) (rate(xray_record_delay_seconds_bucket[$__rate_interval])))",
             "{{stage}}"),
        ),
        bars("Images of the last seven days", "Outcomes of all announced images.", Unit.COUNT,
             ("sum by (fate) (xray_ledger_images)", "{{fate}}")),
    ),
)  # fmt: skip

_WORK: Final = PanelRow(
    "Work",
    (
        lines("Processor time", "Cores used by each service.", Unit.COUNT,
              ('sum by (service) (rate(process_cpu_seconds_total{job="services"}[$__rate_interval]))', "{{service}}")),
        lines("Memory", "Resident memory of the largest worker of each service.", Unit.BYTES,
              ('max by (service) (process_resident_memory_bytes{job="services"})', "{{service}}")),
        lines("Time by step", "Seconds per second that workers spend in each step. `handle` is the service's own work.",
              Unit.SECONDS,
              ('sum by (stage, step) (rate(xray_step_seconds_sum{step!="batch"}[$__rate_interval]))',
               "{{stage}} {{step}}")),
        lines("Batch size", "Mean records per batch. Near XRAY_BATCH_SIZE, records are waiting.", Unit.COUNT,
              ("sum by (stage) (rate(xray_batch_records_sum[$__rate_interval]))"
               " / sum by (stage) (rate(xray_batch_records_count[$__rate_interval]))", "{{stage}}")),
        lines("Bytes read", "By service and source.", Unit.BYTES_RATE,
              ("sum by (stage, source) (rate(xray_read_bytes_total[$__rate_interval]))", "{{stage}} {{source}}")),
        lines("Bytes written", "By service and target.", Unit.BYTES_RATE,
              ("sum by (stage, target) (rate(xray_written_bytes_total[$__rate_interval]))", "{{stage}} {{target}}")),
    ),
)  # fmt: skip

_TROUBLE: Final = PanelRow(
    "Trouble",
    (
        bars("Rejected in the last hour", "By service and reason; docs/intake.md explains the reasons.", Unit.COUNT,
             ("stage_reason:xray_records_rejected:increase1h > 0", "{{stage}} {{reason}}")),
        bars("Needed no work", "Duplicates, close-ups and superseded revisions since each service started.", Unit.COUNT,
             ("sum by (stage, cause) (xray_records_skipped_total)", "{{stage}} {{cause}}")),
        lines("Failed attempts", "By service, server and the client's name for the error. Each is retried.",
              Unit.PER_SECOND,
              ("sum by (stage, server, kind) (rate(xray_server_errors_total[$__rate_interval]))",
               "{{stage}} {{server}} {{kind}}")),
        lines("Images that wait for their source", "Their host or bucket does not answer or is slow; by retry topic.",
              Unit.COUNT, ('max by (topic) (xray_lag_records{topic=~".+[.]retry[.].+"})', "{{topic}}")),
        lines("Free on the object store's disk", "DiskFilling fires at 15 %, DiskAlmostFull at 5 %.", Unit.SHARE,
              ("min(name:xray_disk_available:ratio)", "free"), limit=0.15),
        lines("Requests to the object store", "By kind and HTTP status.", Unit.PER_SECOND,
              ("sum by (type, code) (rate(SeaweedFS_s3_request_total[$__rate_interval]))", "{{type}} {{code}}")),
        lines("Specimens without their other view", "Views that centres have not sent yet; not a fault of the system.",
              Unit.COUNT, ("sum(xray_ledger_incomplete_specimens)", "specimens")),
    ),
)  # fmt: skip

PIPELINE: Final = Screen(
    "xray-pipeline",
    "Pipeline",
    "Is it alive, does it keep up, and what does it reject?",
    (_GLANCE, _FLOW, _WORK, _TROUBLE),
)
