"""Faults at random moments under a stream of good and bad input; what the ledger then holds must not differ."""
