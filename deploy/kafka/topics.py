"""The platform's topics on a real Kafka: made where missing, checked where there.

As a program (a step of docker-compose): `python -m deploy.kafka.topics`, from KAFKA_BOOTSTRAP_SERVERS.
"""

import os
import sys
import time

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, NewTopic

from shared.contracts.topics import DEAD_LETTER_TOPICS, EVENT_TOPICS

PARTITIONS = 12
REPLICATION = 3
MIN_INSYNC = 2
DAY_MS = 86_400_000

# The event logs in PostgreSQL are what lasts: Kafka needs to hold only what a consumer may be behind.
EVENTS = {
    "min.insync.replicas": str(MIN_INSYNC),
    "retention.ms": str(7 * DAY_MS),
    "cleanup.policy": "delete",
    "compression.type": "producer",
    "max.message.bytes": "1048588",
}
DEAD_LETTERS = EVENTS | {"retention.ms": str(30 * DAY_MS)}


def topics(partitions: int = PARTITIONS, replication: int = REPLICATION) -> list[NewTopic]:
    """What should be there. A dead-letter topic is read by people: one partition keeps it in order."""
    return [
        *(NewTopic(name, partitions, replication, config=EVENTS) for name in EVENT_TOPICS),
        *(NewTopic(name, 1, replication, config=DEAD_LETTERS) for name in DEAD_LETTER_TOPICS),
    ]


def ensure(bootstrap_servers: str, wanted: list[NewTopic], timeout_s: float = 60.0) -> list[str]:
    """Make the topics that are missing and answer their names; waits for the cluster, then raises KafkaException."""
    admin = AdminClient({"bootstrap.servers": bootstrap_servers, "log_level": 2})
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            there = admin.list_topics(timeout=5).topics
            missing = [topic for topic in wanted if topic.topic not in there]
            for future in admin.create_topics(missing, operation_timeout=10).values() if missing else ():
                future.result()
        except KafkaException:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.3)
        else:
            return [topic.topic for topic in missing]


def main() -> None:
    """Make the topics on the cluster that the environment names."""
    servers = os.environ.get("KAFKA_BOOTSTRAP_SERVERS")
    if not servers:
        sys.exit("KAFKA_BOOTSTRAP_SERVERS must be set: host:port[,host:port…].")
    made = ensure(servers, topics(replication=int(os.environ.get("KAFKA_REPLICATION", REPLICATION))))
    sys.stdout.write(f"topics made: {', '.join(made) or 'none, all were there'}\n")


if __name__ == "__main__":
    main()
