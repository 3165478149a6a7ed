"""Adding answers to the sums of their campaign, and letting go of what may be shown, in steps of k."""

import random
import uuid
from collections.abc import Collection
from typing import Any, Final

import asyncpg

from services.surveys.domain.hiding import STEPS
from services.surveys.domain.tallies import Added

_CHANCE: Final = random.SystemRandom()

_ADD: Final = (
    "insert into tally as t (campaign_id, measure, count, total, squares) "
    "select $1, measure, count, total, squares "
    "from unnest($2::text[], $3::bigint[], $4::numeric[], $5::numeric[]) as s(measure, count, total, squares) "
    "on conflict (campaign_id, measure) do update set "
    "count = t.count + excluded.count, total = t.total + excluded.total, squares = t.squares + excluded.squares"
)
_CHOOSE: Final = (
    "insert into choice as c (campaign_id, measure, option, count) "
    "select $1, measure, option, count from unnest($2::text[], $3::text[], $4::bigint[]) as s(measure, option, count) "
    "on conflict (campaign_id, measure, option) do update set count = c.count + excluded.count"
)
# Sums of a topic and its options move together or not at all: sums of one moment beside options of another would tell
# what the few in between answered. Topics by profession are counted of whole years alone. Of rated topics it is kept
# what each release added: whoever noted the figures of all knows sums of these.
_RELEASE: Final = (
    "with moved as ("
    "insert into released_result as r (campaign_id, measure, count, total, squares) "
    "select t.campaign_id, t.measure, t.count, t.total, t.squares from tally t "
    "left join released_result old using (campaign_id, measure) "
    "where t.campaign_id = $1 and t.count - coalesce(old.count, 0) >= $2 and t.measure not like '%@%' "
    "on conflict (campaign_id, measure) do update set "
    "count = excluded.count, total = excluded.total, squares = excluded.squares returning r.measure), step as ("
    "insert into released_step (campaign_id, measure, number, counts) select $1, n.measure, s.steps, "
    "jsonb_object_agg(n.option, n.count - coalesce(old.count, 0)) from choice n join moved using (measure) "
    "left join released_choice old using (campaign_id, measure, option), lateral (select count(*) as steps "
    "from released_step s where s.campaign_id = $1 and s.measure = n.measure) s "
    "where n.campaign_id = $1 and n.measure = any($3) and s.steps < $4 group by n.measure, s.steps) "
    "insert into released_choice as c (campaign_id, measure, option, count) "
    "select n.campaign_id, n.measure, n.option, n.count from choice n join moved using (measure) "
    "where n.campaign_id = $1 "
    "on conflict (campaign_id, measure, option) do update set count = excluded.count"
)
_HOLD: Final = (
    "insert into held_text (campaign_id, question, content) "
    "select $1, question, content from unnest($2::text[], $3::text[]) as s(question, content)"
)
_RIPE: Final = (
    "select question from held_text where campaign_id = $1 group by question having count(*) >= $2 order by question"
)
_TAKE: Final = "delete from held_text where campaign_id = $1 and question = $2 returning content"
_SHOW: Final = (
    "insert into released_text (id, campaign_id, question, content) "
    "select id, $1, $2, content from unnest($3::text[], $4::text[]) as s(id, content)"
)


async def store(
    connection: "asyncpg.Connection[Any]", campaign_id: str, found: Added, step: int, rated: Collection[str]
) -> None:
    """Add the tallies of answers that become responses in this transaction; release what has moved by `step` or more.

    `rated` are the topics whose mean and spread are those of ratings (domain/hiding.py). Whoever calls it holds the
    lock of the campaign, so that releases come one after the other.
    """
    await add(connection, campaign_id, found)
    await connection.execute(_RELEASE, campaign_id, step, list(rated), STEPS)
    if found.texts:
        await _hold_texts(connection, campaign_id, found.texts, step)


async def add(connection: "asyncpg.Connection[Any]", campaign_id: str, found: Added) -> None:
    """Add sums and counts, and release nothing."""
    # In one order everywhere: two who add at once never wait for each other in a ring.
    sums = sorted(found.sums.items())
    if sums:
        columns = [list(column) for column in zip(*(each for _, each in sums), strict=True)]
        await connection.execute(_ADD, campaign_id, [topic for topic, _ in sums], *columns)
    counts = sorted(found.counts.items())
    if counts:
        topics, options = zip(*(cell for cell, _ in counts), strict=True)
        await connection.execute(_CHOOSE, campaign_id, list(topics), list(options), [count for _, count in counts])


async def forget(connection: "asyncpg.Connection[Any]", campaign_id: str) -> None:
    """Empty the sums and counts of a campaign, to be counted anew; what was released stays until the next step."""
    await connection.execute("delete from tally where campaign_id = $1", campaign_id)
    await connection.execute("delete from choice where campaign_id = $1", campaign_id)


async def _hold_texts(
    connection: "asyncpg.Connection[Any]", campaign_id: str, texts: list[tuple[str, str]], step: int
) -> None:
    """Keep free texts back until `step` of a question are together, then show these in an order drawn by chance."""
    held = list(texts)
    _CHANCE.shuffle(held)
    await connection.execute(_HOLD, campaign_id, [code for code, _ in held], [content for _, content in held])
    for row in await connection.fetch(_RIPE, campaign_id, step):
        taken = await connection.fetch(_TAKE, campaign_id, row["question"])
        contents = [each["content"] for each in taken]
        _CHANCE.shuffle(contents)
        # UUIDv4: what is shown by id is shown in an order drawn by chance.
        ids = [str(uuid.UUID(int=_CHANCE.getrandbits(128), version=4)) for _ in contents]
        await connection.execute(_SHOW, campaign_id, row["question"], ids, contents)
