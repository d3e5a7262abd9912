"""Model versions: what lies in Triton's repository, how it is checked before it serves, which record says it serves."""
