"""Of enterprises what cooperation is broken down by: their section of ISIC, and whom they were merged into."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from services.monitoring.domain.readings import Enterprise, Reading

UNKNOWN: Final = "?"
"""The section of an enterprise that nobody has told about."""
_NOTE: Final = """
    insert into enterprise_fact as known (enterprise, version, section, merged_into)
    select * from unnest($1::text[], $2::integer[], $3::text[], $4::text[])
    on conflict (enterprise) do update
    set version = excluded.version, section = excluded.section, merged_into = excluded.merged_into
    where known.version < excluded.version
"""
_KNOWN: Final = """
    select e.enterprise, coalesce(s.enterprise, e.merged_into, e.enterprise) as survivor,
        coalesce(s.section, e.section) as section
    from enterprise_fact e left join enterprise_fact s on s.enterprise = e.merged_into
    where e.enterprise = any($1::text[])
"""


async def note(connection: Any, states: Iterable[Reading]) -> None:
    """Keep what a batch tells of enterprises, the latest of each."""
    latest: dict[str, Enterprise] = {}
    for state in states:
        if isinstance(state, Enterprise) and (state.id not in latest or state.version > latest[state.id].version):
            latest[state.id] = state
    if latest:
        ordered = [latest[id_] for id_ in sorted(latest)]  # in order: two batches never wait for one another in a ring
        await connection.execute(
            _NOTE,
            [each.id for each in ordered],
            [each.version for each in ordered],
            [each.isic_section[:1].replace("\0", "") for each in ordered],
            [each.merged_into for each in ordered],
        )


async def facts(connection: Any, enterprises: Sequence[str]) -> Mapping[str, tuple[str, str]]:
    """Of each enterprise that is known: the one it is merged into (or itself) and the section."""
    rows = await connection.fetch(_KNOWN, list(enterprises))
    return {row["enterprise"]: (row["survivor"], row["section"] or UNKNOWN) for row in rows}
