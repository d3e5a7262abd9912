"""`xray reconcile`: every announced image accounted for, by the topics and the ledger."""
