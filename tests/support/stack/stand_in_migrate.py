"""A stand-in for the migrations: there is nothing to migrate."""
