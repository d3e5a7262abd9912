"""Print every phenotype call, old and new, until Ctrl-C. Needs `pip install kafka-python`, but not this project."""

import json
import os

from kafka import KafkaConsumer

# Without a consumer group it starts at the oldest call each time. resumable_subscriber.py resumes where it stopped.
server = os.environ.get("XRAY_KAFKA_BOOTSTRAP", "127.0.0.1:9092")
for record in KafkaConsumer("phenotype.calls", bootstrap_servers=server, auto_offset_reset="earliest"):
    call = json.loads(record.value)
    if status := call.get("status"):  # withdrawn: the specimen has lost its call; abstained: the models made none
        print(f"{call['biological_sample_id']}\t{call['centre']}\trevision {call['revision']}\t{status}", flush=True)  # noqa: T201
        continue
    labels = [label for label, bit in zip(call["labels"], call["vector"], strict=True) if bit]
    text = ", ".join(labels) or ("abnormal elsewhere" if call["abnormal"] else "normal")
    print(f"{call['biological_sample_id']}\t{call['centre']}\trevision {call['revision']}\t{text}", flush=True)  # noqa: T201
