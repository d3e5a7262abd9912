"""`xray reconcile`: accounts for every announced image, by topics and ledger."""
