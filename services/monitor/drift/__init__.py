"""Whether a centre's window differs from its earlier ones. Pure functions."""
