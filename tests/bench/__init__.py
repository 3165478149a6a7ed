"""Benchmarks: each is a program that prints one JSON line per figure; `make bench NAME=freshness` runs one."""
