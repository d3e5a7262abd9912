"""References of controls: snapshots by digest, built from the ledger and activated by records like model versions."""
