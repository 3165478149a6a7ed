"""V4: the envoy's rank fits the rank of who receives – a rule, not a free text.

The table names the lowest rank that may go, by who receives and how large the enterprise is; OTHER stands for partners
that are no enterprise. A teacher or student is never sent to the head of a large enterprise.
"""

from collections.abc import Mapping
from typing import Final

from shared.contracts.visits import Rank
from shared.contracts.vocabulary import EnterpriseSize as Size

LADDER: Final = tuple(Rank)
"""Ranks from the lowest to the highest."""
OTHER: Final = None

LOWEST_ENVOY: Final[Mapping[Rank, Mapping[Size | None, Rank]]] = {
    Rank.HEAD: {
        Size.LARGE: Rank.HEAD,
        Size.MEDIUM: Rank.DEPUTY_HEAD,
        Size.SMALL: Rank.HEAD_OF_UNIT,
        Size.MICRO: Rank.SPECIALIST,
        OTHER: Rank.DEPUTY_HEAD,
    },
    Rank.DEPUTY_HEAD: {
        Size.LARGE: Rank.DEPUTY_HEAD,
        Size.MEDIUM: Rank.HEAD_OF_UNIT,
        Size.SMALL: Rank.SPECIALIST,
        Size.MICRO: Rank.TEACHER,
        OTHER: Rank.HEAD_OF_UNIT,
    },
    Rank.HEAD_OF_UNIT: {
        Size.LARGE: Rank.SPECIALIST,
        Size.MEDIUM: Rank.SPECIALIST,
        Size.SMALL: Rank.TEACHER,
        Size.MICRO: Rank.TEACHER,
        OTHER: Rank.SPECIALIST,
    },
    Rank.SPECIALIST: {
        Size.LARGE: Rank.TEACHER,
        Size.MEDIUM: Rank.TEACHER,
        Size.SMALL: Rank.TEACHER,
        Size.MICRO: Rank.TEACHER,
        OTHER: Rank.TEACHER,
    },
}
"""Nobody below a specialist receives a visit: such a host counts as one."""


def lowest_envoy(host: Rank, size: Size | None) -> Rank:
    """The lowest rank that may be sent to this host."""
    return LOWEST_ENVOY.get(host, LOWEST_ENVOY[Rank.SPECIALIST])[size]


def fits(envoy: Rank, host: Rank, size: Size | None) -> bool:
    """Whether the envoy's standing matches."""
    return LADDER.index(envoy) >= LADDER.index(lowest_envoy(host, size))


def fitting(host: Rank, size: Size | None) -> tuple[Rank, ...]:
    """The ranks that may be sent to this host."""
    return LADDER[LADDER.index(lowest_envoy(host, size)) :]


def never(envoy: Rank, host: Rank, size: Size | None) -> bool:
    """What no reason excuses: a teacher or student before the head of a large company."""
    return envoy in (Rank.STUDENT, Rank.TEACHER) and host is Rank.HEAD and size is Size.LARGE
