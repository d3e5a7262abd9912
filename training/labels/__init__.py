"""Training labels from the centres' observations of the X-ray procedure."""
