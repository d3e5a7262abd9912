"""The refresh: new labels become a better model, or a refusal with figures; what serves goes on serving meanwhile."""
