"""`xray models`: which versions there are, which serve, and changing that."""
