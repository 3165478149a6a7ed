"""What Kafka loses, or never got, is healed from the sources' own logs; whatever is down at the start is waited for."""

from pathlib import Path

import httpx

from deploy.local.process import Process
from tests.integration.messaging.conftest import Embedded
from tests.integration.messaging.world import KEYS, Source, World, eventually, in_shard_order, settled
from tests.support.engines import PATIENCE, EmbeddedBroker, Postgres, a_broker, a_postgres
from tests.support.issuer import Issuer


async def test_events_that_kafka_never_got_are_fetched_from_the_feed(world: World) -> None:
    async with world.source(relay=False) as source, world.sink(source.name) as sink:
        await source.tell(*range(48))
        # As if Kafka had acknowledged these and lost them.
        await source.sql("update relay_cursor c set published = position from stream_head h where h.shard = c.shard")
        await source.let_relay_begin()
        await source.tell(*range(48, 60))
        await settled(source, sink)
        assert sorted((await sink.numbers()).items()) == [(n, 1) for n in range(60)]
        assert in_shard_order(await sink.effects())
        assert await sink.letters() == []


async def test_embedded_broker_killed_and_back_elsewhere_loses_nothing(
    postgres: Postgres, issuer: Issuer, http: httpx.AsyncClient, tmp_path: Path
) -> None:
    async with a_broker(tmp_path) as broker:
        world = World(Embedded(broker), postgres, issuer, http)
        async with world.source() as source, world.sink(source.name) as sink:
            await source.tell(*range(20))
            await settled(source, sink)
            before = broker.address_file.read_text()
            broker.process.kill()
            await source.tell(*range(20, 40))
            await settled(source, sink)

            async def back() -> bool:
                return broker.address_file.exists() and broker.address_file.read_text() != before

            await eventually(back, "the broker is back under another address")
            await source.tell(*range(40, 60))
            await settled(source, sink)
            await eventually(lambda: _published(source), "the relay publishes again")
            assert sorted((await sink.numbers()).items()) == [(n, 1) for n in range(60)]
            assert in_shard_order(await sink.effects())


async def test_database_put_back_to_an_earlier_state_catches_up(world: World) -> None:
    async with world.source() as source, world.sink(source.name) as sink:
        await source.tell(*range(20))
        await settled(source, sink)
        await sink.sql("with undone as (delete from effect) update inbox set position = 0")
        await source.tell(*range(20, 30))
        await settled(source, sink)
        assert sorted((await sink.numbers()).items()) == [(n, 1) for n in range(30)]
        assert in_shard_order(await sink.effects())


async def _published(source: Source) -> bool:
    rows = await source.sql("select 1 from relay_cursor join stream_head using (shard) where published < position")
    return rows == []


async def test_what_overflowed_the_embedded_broker_is_healed(
    broker: EmbeddedBroker, postgres: Postgres, issuer: Issuer, http: httpx.AsyncClient
) -> None:
    world = World(Embedded(broker), postgres, issuer, http)
    async with world.source() as source:
        for n in range(30):
            await source.tell(n, key=KEYS[0], ballast="x" * 500_000)
        await eventually(lambda: _published(source), "all is published")
        async with world.sink(source.name) as sink:
            await settled(source, sink)
            assert [n for _, _, n in await sink.effects()] == list(range(30))


async def test_many_small_requests_of_a_producer_are_applied_in_company(
    broker: EmbeddedBroker, postgres: Postgres, issuer: Issuer, http: httpx.AsyncClient
) -> None:
    world = World(Embedded(broker), postgres, issuer, http)
    async with world.source() as source:
        for n in range(40):
            await source.tell(n, key=KEYS[0])
            await eventually(lambda: _published(source), "it is published in a request of its own")
        async with world.sink(source.name) as sink:
            await sink.has(40)
            assert [n for _, _, n in await sink.effects()] == list(range(40))
            assert len(sink.projection.batches) < 40


async def test_services_that_start_before_their_engines_converge(
    issuer: Issuer, http: httpx.AsyncClient, tmp_path: Path
) -> None:
    async with a_postgres(tmp_path / "postgres") as postgres:
        engine = Embedded(EmbeddedBroker(tmp_path / "broker" / "broker.address", postgres.process))
        world = World(engine, postgres, issuer, http)
        name = await world.new_name()
        databases = await world.new_database(), await world.new_database(sink=True)
        await postgres.process.stop()
        async with world.source(name, databases[0]) as source, world.sink(name, database=databases[1]) as sink:

            async def status(path: str) -> int:
                return (await http.get(sink.operator.base + path)).status_code

            assert (await status("/live"), await status("/ready")) == (200, 503)
            problem = await sink.operator.get("/internal/inbox")
            assert (problem.status_code, problem.json()["type"]) == (503, "urn:hamkor:problem:unavailable")

            server = Process(postgres.server.program(), tmp_path / "again.log", lambda _: None, PATIENCE)
            server.start()
            try:
                await server.until_ready()

                async def ready() -> bool:
                    return await status("/ready") == 200

                await eventually(ready, "the sink is ready")
                await source.tell(*range(20))
                await settled(source, sink)  # without any Kafka
                async with a_broker(tmp_path / "broker"):
                    await source.tell(*range(20, 40))
                    await eventually(lambda: _published(source), "the relay publishes")
                    await settled(source, sink)
                assert sorted((await sink.numbers()).items()) == [(n, 1) for n in range(40)]
                assert await status("/live") == 200
            finally:
                await server.stop()
