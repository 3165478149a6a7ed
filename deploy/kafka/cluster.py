"""A three-broker Apache Kafka in KRaft mode on this machine, every node broker and controller at once."""

import asyncio
import base64
import functools
import itertools
import json
import os
import shutil
import socket
import subprocess
import uuid
from pathlib import Path

from deploy.kafka import topics
from deploy.kafka.install import Say, jars, java
from deploy.local.broker import ask_api_versions
from deploy.local.errors import StackError
from deploy.local.folder import write_whole
from deploy.local.ports import HOST, free
from deploy.local.process import Program

LOGGING = Path(__file__).with_name("log4j2.properties")
# C1 and the serial collector: three small servers on two cores should start fast and stay small.
JVM = ("-Xms128m", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:MaxDirectMemorySize=64m")

PROPERTIES = """\
# Written by Hamkor at every start: changes made here are lost.
process.roles=broker,controller
node.id={node}
controller.quorum.voters={voters}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller_port}
advertised.listeners=PLAINTEXT://{host}:{port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={data}

auto.create.topics.enable=false
num.partitions=12
default.replication.factor={replication}
min.insync.replicas={min_insync}
offsets.topic.replication.factor={replication}
offsets.topic.num.partitions=8
transaction.state.log.replication.factor={replication}
transaction.state.log.min.isr={min_insync}
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor={replication}
share.coordinator.state.topic.min.isr={min_insync}
share.coordinator.state.topic.num.partitions=1

# A dead broker or consumer is noticed in seconds: this is one machine, not three sites.
broker.session.timeout.ms=6000
broker.heartbeat.interval.ms=1000
replica.lag.time.max.ms=5000
controller.quorum.election.timeout.ms=1000
controller.quorum.fetch.timeout.ms=2000
group.initial.rebalance.delay.ms=0

# Small.
num.network.threads=2
num.io.threads=4
background.threads=2
num.recovery.threads.per.data.dir=2
log.cleaner.dedupe.buffer.size=8388608
log.cleaner.io.buffer.size=262144
log.segment.bytes=67108864
"""


class KafkaCluster:
    """The nodes of one cluster in one folder; a second start finds the data of the first."""

    def __init__(self, folder: Path, brokers: int = 3) -> None:
        self.folder = folder
        self.nodes = tuple(range(1, brokers + 1))
        self._ports: dict[int, tuple[int, int]] = {}
        self._java = "java"
        self._jars = folder

    @property
    def bootstrap_servers(self) -> str:
        """host:port of every broker, separated by commas."""
        return ",".join(f"{HOST}:{port}" for port, _ in self._ports.values())

    def port(self, node: int) -> int:
        """A broker's port."""
        return self._ports[node][0]

    def prepare(self, say: Say) -> None:
        """Fetch what is missing, choose ports, write configurations, format at the first start. Blocks for seconds."""
        self._java, self._jars = java(say), jars(say)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._choose_ports()
        voters = ",".join(f"{node}@{HOST}:{controller}" for node, (_, controller) in self._ports.items())
        replication = min(topics.REPLICATION, len(self.nodes))
        for node, (port, controller) in self._ports.items():
            settings = PROPERTIES.format(
                node=node,
                voters=voters,
                host=HOST,
                port=port,
                controller_port=controller,
                data=self._data(node),
                replication=replication,
                min_insync=max(1, replication - 1),
            )
            self._configuration(node).write_text(settings)
        if not all((self._data(node) / "meta.properties").exists() for node in self.nodes):
            self._format()

    def program(self, node: int) -> Program:
        """One node as the supervisor runs it."""
        port = self.port(node)
        answers = functools.partial(ask_api_versions, HOST, port)
        return Program(
            name=f"kafka-{node}",
            command=(*self._command(), *JVM, "kafka.Kafka", str(self._configuration(node))),
            environment={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8"},
            folder=self.folder,
            port=port,
            ready=answers,
            live=answers,
            grace_s=1.0,  # an orderly end waits for the other nodes, which end too; killed ones recover
        )

    def programs(self) -> list[Program]:
        """All nodes."""
        return [self.program(node) for node in self.nodes]

    async def create_topics(self) -> list[str]:
        """Make the platform's topics where they are missing; answers the new ones."""
        wanted = topics.topics(replication=min(topics.REPLICATION, len(self.nodes)))
        return await asyncio.to_thread(topics.ensure, self.bootstrap_servers, wanted)

    def _command(self) -> tuple[str, ...]:
        where = shutil.which(self._java) or self._java
        return (where, f"-Dlog4j2.configurationFile={LOGGING}", "-cp", f"{self._jars}/*")

    def _data(self, node: int) -> Path:
        return self.folder / f"node-{node}"

    def _configuration(self, node: int) -> Path:
        return self.folder / f"node-{node}.properties"

    def _choose_ports(self) -> None:
        """The ports of the last start where they are free, so that clients of before find the cluster again."""
        file = self.folder / "ports.json"
        if file.exists():
            ports = [tuple(pair) for pair in json.loads(file.read_text())]
            if len(ports) == len(self.nodes) and all(_is_free(port) for pair in ports for port in pair):
                self._ports = {node: (pair[0], pair[1]) for node, pair in zip(self.nodes, ports, strict=True)}
                return
        numbers = free(2 * len(self.nodes))
        self._ports = {node: (numbers[2 * i], numbers[2 * i + 1]) for i, node in enumerate(self.nodes)}
        write_whole(file, json.dumps(list(self._ports.values())))

    def _format(self) -> None:
        # As Kafka's own identifiers, none begins with a dash: it would be read as an option.
        drawn = (base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=") for _ in itertools.count())
        cluster = next(each for each in drawn if not each.startswith("-"))
        for node in self.nodes:
            shutil.rmtree(self._data(node), ignore_errors=True)
        command = (*self._command(), *JVM, "kafka.tools.StorageTool", "format", f"--cluster-id={cluster}", "--config")
        started = [
            subprocess.Popen(
                [*command, str(self._configuration(node))], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            )
            for node in self.nodes
        ]
        for each in started:
            said, _ = each.communicate()
            if each.returncode != 0:
                raise StackError(f"Kafka's data folder {self.folder} could not be made: {said.strip()}")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
