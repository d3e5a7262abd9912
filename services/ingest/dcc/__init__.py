"""Reads a centre's submission (`xray push --dcc`): its images, its observations, and how many images should arrive."""
