"""Use cases of partners: one function each, one transaction each; only the edge commits."""
