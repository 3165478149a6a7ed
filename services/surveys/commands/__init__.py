"""Use cases of surveys: one function each, one transaction each."""
