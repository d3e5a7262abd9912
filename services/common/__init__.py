"""Code that every service shares: events, errors, settings, Kafka, object store, batch loop, metrics, labels."""
