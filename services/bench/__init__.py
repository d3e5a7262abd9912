"""`xray bench`: the whole pipeline compared with a bare loop on the same images and models."""
