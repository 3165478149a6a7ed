"""A real Apache Kafka cluster for tests: brokers are started, killed, frozen and brought back by hand."""

import asyncio
import os
import signal
from pathlib import Path
from types import TracebackType
from typing import Self

from confluent_kafka.admin import (
    AdminClient,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from deploy.kafka.cluster import KafkaCluster
from deploy.local.ports import HOST, free
from deploy.local.process import Patience, Process
from tests.support.certificates import Authority

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
        await asyncio.to_thread(self._prepare)
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

    def _prepare(self) -> None:
        self._cluster.prepare(lambda _: None)

    def _signal(self, node: int, number: signal.Signals) -> None:
        pid = self._processes[node].pid
        assert pid is not None, f"broker {node} does not run"
        os.kill(pid, number)


SECURED = """\
listeners={listeners},SASL_SSL://{host}:{sasl},SSL://{host}:{ssl}
advertised.listeners={advertised},SASL_SSL://{host}:{sasl},SSL://{host}:{ssl}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_SSL:SASL_SSL,SSL:SSL
ssl.keystore.type=PEM
ssl.keystore.location={keystore}
ssl.truststore.type=PEM
ssl.truststore.location={truststore}
listener.name.ssl.ssl.client.auth=required
sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=\
org.apache.kafka.common.security.scram.ScramLoginModule required;
"""


class SecuredKafka(RealKafka):
    """One broker that is also reached by TLS: with a user name and a password, or with a client's certificate.

    `authority` signed its certificate. Users are made by `let_in`, over the listener without either.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, brokers=1)
        self.authority = Authority(folder / "certificates")
        self._ports = free(2)

    @property
    def sasl_ssl(self) -> str:
        """host:port that asks for a user name and a password, by SCRAM-SHA-512."""
        return f"{HOST}:{self._ports[0]}"

    @property
    def ssl(self) -> str:
        """host:port that asks for a certificate of the client's."""
        return f"{HOST}:{self._ports[1]}"

    def let_in(self, user: str, password: str) -> None:
        """Make a user, or change the password; blocks until brokers know it."""
        admin = AdminClient({"bootstrap.servers": self.bootstrap_servers, "log_level": 2})
        kind = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
        asked = admin.alter_user_scram_credentials([UserScramCredentialUpsertion(user, kind, password.encode())])
        asked[user].result(30)

    def _prepare(self) -> None:
        super()._prepare()
        own = self.authority.sign("broker")
        keystore = own.certificate.with_name("keystore.pem")
        keystore.write_bytes(own.key.read_bytes() + own.certificate.read_bytes())
        (node,) = self.nodes
        file = self._cluster.folder / f"node-{node}.properties"
        written = dict(line.split("=", 1) for line in file.read_text().splitlines() if "=" in line)
        more = SECURED.format(
            listeners=written["listeners"],
            advertised=written["advertised.listeners"],
            host=HOST,
            sasl=self._ports[0],
            ssl=self._ports[1],
            keystore=keystore,
            truststore=self.authority.file,
        )
        # What comes later in the file counts.
        file.write_text(f"{file.read_text()}{more}")
