"""Model versions: Triton's repository, the checks before a version serves, and the record of the ones that serve."""
