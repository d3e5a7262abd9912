"""`xray bench`: the whole pipeline against a bare loop, on the same images and models."""
