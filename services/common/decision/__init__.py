"""The decision layer: from the scores and features of several models to one call, or to none.

Pure functions of arrays. The classifier, the job that builds references, and the evaluation share them.

- `reference`: what a centre's controls look like, and scores and features relative to them.
- `calibration`: calibrated probabilities, stacking, and the shift to another prevalence.
- `familiarity`: how far a specimen is from what the models and the centre know.
- `set_card`: the parameters of one set of model versions, and its decision.
- `fit`: those parameters from validation specimens.
"""
