"""`xray demo`: simulated specimens through the real system, and an honest account of what came out."""
