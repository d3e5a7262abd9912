"""What every service shares: contracts, errors, settings, object store, batch loop, metrics, labels."""
