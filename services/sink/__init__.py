"""Everything announced, called, reviewed and rejected -> rows of the ledger (`services.ledger`)."""
