"""Chance that repeats itself: the same words give the same numbers, on every machine."""

from random import Random


def chance(*words: object) -> Random:
    """A generator of its own for whatever the words name."""
    return Random("/".join(("hamkor", *map(str, words))))  # noqa: S311 - a demo, not a secret
