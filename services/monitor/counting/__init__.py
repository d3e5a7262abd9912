"""From events to counts: what each event adds to which window. Pure functions."""
