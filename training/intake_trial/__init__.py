"""Measures what intake refuses: sound pictures in every manner, and pictures with one known fault each."""
