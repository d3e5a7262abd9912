"""Finds the animal in a picture: background, polarity, what is no animal, the animal's outline and axis."""
