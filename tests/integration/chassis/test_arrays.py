"""Array literals come back from PostgreSQL as the lists they were made of, whatever stands in them."""

import asyncpg
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shared.persistence.arrays import literal, text_literal
from shared.persistence.engine import dsn_of
from tests.support.engines import Postgres

CHARACTERS = "\"\\,{} \x1f\n'NULЖ😀"
HOSTILE = st.text(st.sampled_from(CHARACTERS) | st.characters(exclude_characters="\0", codec="utf-8"))
LISTS = st.lists(st.lists(HOSTILE, max_size=6), max_size=200)


async def test_lists_of_any_text_come_back_as_they_were(postgres: Postgres) -> None:
    database = await postgres.database("partners")
    lists: list[list[str]] = []

    @settings(max_examples=50, database=None)
    @given(LISTS)
    @example([[CHARACTERS, "", "NULL"], []])  # all of them, whatever is drawn
    def collect(examples: list[list[str]]) -> None:
        lists.extend(examples)

    collect()
    connection = await asyncpg.connect(dsn_of(database.url))
    try:
        found = await connection.fetch(
            "select cast(text as text[]) as back from unnest(cast($1 as text[])) with ordinality as t(text, nr) "
            "order by nr",
            [literal(each) for each in lists],
        )
        texts = sorted({text for each in lists for text in each})
        bare = await connection.fetchval(f"select array[{','.join(map(text_literal, texts))}]")
        await connection.execute("set standard_conforming_strings = off")
        bare_before = await connection.fetchval(f"select array[{','.join(map(text_literal, texts))}]")
        numbers = await connection.fetchval("select cast(cast($1 as text) as bigint[])", literal([1, -2, 2**40]))
    finally:
        await connection.close()
    assert [row["back"] for row in found] == lists
    assert bare == bare_before == texts
    assert numbers == [1, -2, 2**40]
    assert any("\x1f" in text for each in lists for text in each)
