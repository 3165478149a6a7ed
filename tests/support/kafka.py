"""A real Apache Kafka cluster for tests: brokers are started, killed, frozen and brought back by hand."""

import asyncio
import os
import signal
from pathlib import Path
from types import TracebackType
from typing import Self

from deploy.kafka.cluster import KafkaCluster
from deploy.local.process import Patience, Process

NEVER_REPLACED = Patience(frozen_after_s=1e9, backoff_first_s=1e9, backoff_most_s=1e9, start_timeout_s=120)


class RealKafka:
    """Three brokers that stay as the test leaves them: `async with RealKafka(tmp_path) as kafka`."""

    def __init__(self, folder: Path, brokers: int = 3) -> None:
        self._cluster = KafkaCluster(folder, brokers)
        self._processes: dict[int, Process] = {}

    @property
    def nodes(self) -> tuple[int, ...]:
        """The brokers' numbers: 1, 2, 3."""
        return self._cluster.nodes

    @property
    def bootstrap_servers(self) -> str:
        """host:port of every broker, separated by commas."""
        return self._cluster.bootstrap_servers

    @property
    def pids(self) -> list[int | None]:
        """The brokers' processes."""
        return [process.pid for process in self._processes.values()]

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self._cluster.prepare, lambda _: None)
        await asyncio.gather(*(self.start(node) for node in self.nodes))
        await self._cluster.create_topics()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.gather(*(process.stop() for process in self._processes.values()))

    async def start(self, node: int) -> None:
        """Start a broker, or bring a killed one back with its data; returns when it answers."""
        if node in self._processes:
            await self._processes[node].stop()
        log = self._cluster.folder / f"node-{node}.log"
        process = Process(self._cluster.program(node), log, lambda _: None, NEVER_REPLACED)
        self._processes[node] = process
        process.start()
        await process.until_ready()

    def kill(self, node: int) -> None:
        """kill -9."""
        self._signal(node, signal.SIGKILL)

    def freeze(self, node: int) -> None:
        """Stop a broker in its tracks, connections open: a machine that hangs."""
        self._signal(node, signal.SIGSTOP)

    def thaw(self, node: int) -> None:
        """Let a frozen broker go on."""
        self._signal(node, signal.SIGCONT)

    def _signal(self, node: int, number: signal.Signals) -> None:
        pid = self._processes[node].pid
        assert pid is not None, f"broker {node} does not run"
        os.kill(pid, number)
