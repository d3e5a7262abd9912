"""`xray models`: which versions exist, which make the calls, and changing that."""
