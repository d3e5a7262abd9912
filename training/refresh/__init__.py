"""The refresh: new labels lead to a better model or to a refusal with figures; the current models keep serving."""
