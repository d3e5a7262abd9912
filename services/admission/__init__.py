"""Admits the images that centres announce on topics of their own."""
