"""Use cases of agreements: one function each, one transaction each; only the edge commits."""
