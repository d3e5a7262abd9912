"""`xray demo`: simulated specimens through the real system, and a comparison of the calls with the truth."""
