"""Pooling the campaigns of a wave or quarter that is over: what is too little alone counts with others'."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import asyncpg

from services.surveys.domain import pooling
from services.surveys.domain.pooling import Ended, Gathered
from services.surveys.domain.scoring import INDEX
from services.surveys.domain.statistics import Sums
from services.surveys.instruments import InstrumentLibrary
from shared.clock import local_day
from shared.ids import new_id
from shared.persistence.engine import raw_connection
from shared.persistence.unit_of_work import UnitOfWork

LOCK: Final = 0x706F6F6C
GRACE_DAYS: Final = 7
"""After a quarter's end."""

# A wave's campaigns together, others by the quarter of the academic year they end in: once none of them can get an
# answer any more.
_DUE: Final = (
    "select c.instrument, c.instrument_version as version, c.wave_id, "
    "min(c.first_day) as first, max(c.last_day) as last, "
    "array_agg(c.id order by c.id) as campaigns from campaign c left join intake i on i.campaign_id = c.id "
    "left join wave w on w.id = c.wave_id "
    "where not exists (select from pooled_campaign p where p.campaign_id = c.id) "
    "group by 1, 2, 3, case when c.wave_id is null then date_trunc('quarter', c.last_day + interval '1 month') end "
    "having bool_and(coalesce(i.over, false)) and bool_and(case when c.wave_id is null "
    "then date_trunc('quarter', c.last_day + interval '1 month') + make_interval(months => 2, days => $2) <= $1::date "
    "else w.status = 'closed' and not w.campaigns_due end) order by last limit 1"
)
_ENDED: Final = (
    "select c.id, c.org_path, coalesce(t.count, 0) as came, coalesce(r.count, 0) as released, "
    "coalesce(i.moved, 0) as moved from campaign c left join intake i on i.campaign_id = c.id "
    "left join tally t on t.campaign_id = c.id and t.measure = $2 "
    "left join released_result r on r.campaign_id = c.id and r.measure = $2 where c.id = any($1) order by c.id"
)
_PLACE: Final = (
    "insert into pooled_campaign (campaign_id, org_path, last_day, counts_in) select c.id, c.org_path, $3, p.counts_in "
    "from unnest($1::text[], $2::text[]) as p(id, counts_in) join campaign c using (id)"
)
# Of topics that single campaigns released: the rest. Of single questions: all.
_SUMS: Final = (
    "select p.counts_in, t.measure, sum(t.count - coalesce(r.count, 0)) as count, "
    "sum(t.total - coalesce(r.total, 0)) as total, sum(t.squares - coalesce(r.squares, 0)) as squares "
    "from pooled_campaign p join tally t on t.campaign_id = p.campaign_id left join released_result r "
    "on r.campaign_id = t.campaign_id and r.measure = t.measure and r.measure = any($3) "
    "where p.campaign_id = any($1) and p.counts_in is not null and t.measure = any($2) "
    "and t.count > coalesce(r.count, 0) group by 1, 2"
)
_COUNTS: Final = (
    "select p.counts_in, o.measure, o.option, sum(o.count) as count from pooled_campaign p "
    "join choice o on o.campaign_id = p.campaign_id "
    "where p.campaign_id = any($1) and p.counts_in is not null and o.measure = any($2) group by 1, 2, 3"
)
_POOL: Final = (
    "insert into pool (id, org_path, instrument, instrument_version, wave_id, first_day, last_day) "
    "values ($1, $2, $3, $4, $5, $6, $7)"
)
_SHOW: Final = (
    "insert into released_result (campaign_id, measure, count, total, squares) select $1, * "
    "from unnest($2::text[], $3::bigint[], $4::numeric[], $5::numeric[])"
)
_SHOW_COUNTS: Final = (
    "insert into released_choice (campaign_id, measure, option, count) select $1, * "
    "from unnest($2::text[], $3::text[], $4::bigint[])"
)


@dataclass(frozen=True, slots=True)
class _Due:
    instrument: str
    version: int
    wave_id: str | None
    first: date
    last: date
    campaigns: Sequence[str]


async def pool(uow: UnitOfWork, library: InstrumentLibrary, k: int) -> bool:
    """Pool what is due first; False where nothing is, or another process does it."""
    connection = await raw_connection(uow.session)
    if not await connection.fetchval("select pg_try_advisory_xact_lock($1)", LOCK):
        return False
    row = await connection.fetchrow(_DUE, local_day(uow.now), GRACE_DAYS)
    if row is None:
        return False
    due = _Due(**row)
    instrument = await library.ensure(uow.session, due.instrument, due.version)
    scored = any(question.scored for question in instrument.questions)
    ended = [_ended(row, k, scored=scored) for row in await connection.fetch(_ENDED, due.campaigns, INDEX)]
    counted = pooling.settle(ended, k)
    await connection.execute(_PLACE, due.campaigns, [counted.get(id_) for id_ in due.campaigns], due.last)
    whole = pooling.whole_topics(instrument)
    topics = [topic for bundle in pooling.bundles(instrument) for topic in bundle]
    counts: dict[tuple[str, str], dict[str, int]] = {}
    for row in await connection.fetch(_COUNTS, due.campaigns, topics):
        counts.setdefault((row["counts_in"], row["measure"]), {})[row["option"]] = int(row["count"])
    campaigns = Counter(counted.values())
    gathered: dict[str, dict[str, Gathered]] = {}
    for row in await connection.fetch(_SUMS, due.campaigns, topics, whole):
        sums = Sums(int(row["count"]), int(row["total"]), int(row["squares"]))
        each = Gathered(sums, campaigns[row["counts_in"]], counts.get((row["counts_in"], row["measure"]), {}))
        gathered.setdefault(row["counts_in"], {})[row["measure"]] = each
    for path, shown in sorted(pooling.pools(instrument, gathered, k).items()):
        await _show(connection, due, path, shown)
    return True


def _ended(row: Any, k: int, *, scored: bool) -> Ended:
    """Without scored questions there is no index that would be released by campaign."""
    if scored:
        return Ended(row["id"], row["org_path"], int(row["came"] - row["released"]), row["released"] > 0)
    shown = row["moved"] >= k
    return Ended(row["id"], row["org_path"], 0 if shown else int(row["moved"]), shown)


async def _show(connection: "asyncpg.Connection[Any]", due: _Due, path: str, shown: dict[str, Gathered]) -> None:
    id_ = str(new_id())
    await connection.execute(_POOL, id_, path, due.instrument, due.version, due.wave_id, due.first, due.last)
    topics = sorted(shown)
    sums = [(each.count, each.total, each.squares) for each in (shown[topic].sums for topic in topics)]
    await connection.execute(_SHOW, id_, topics, *(list(column) for column in zip(*sums, strict=True)))
    cells = [(topic, option, count) for topic in topics for option, count in sorted(shown[topic].counts.items())]
    if cells:
        columns = [list(column) for column in zip(*cells, strict=True)]
        await connection.execute(_SHOW_COUNTS, id_, *columns)
