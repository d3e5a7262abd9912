"""How well a backbone finds landmarks on radiographs that people have annotated."""
