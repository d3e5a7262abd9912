"""Strangers: how calls hold on animals and pictures that the models did not learn from.

Cohorts of specimens (`cohorts`) are read by every model of a repository (`systems`) and called in three ways: as the
consensus of the model cards, by the decision layer without controls, and by the decision layer with a centre's
controls. `measures` compares the calls with the truth, and `table` writes the result.
"""
