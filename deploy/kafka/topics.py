"""The platform's topics on a real Kafka: made where missing, checked where there.

As a program (a step of docker-compose and of the chart): `python -m deploy.kafka.topics`, from the KAFKA_… settings.
"""

import os
import sys
import time
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, NewTopic

from shared.contracts.topics import DEAD_LETTER_TOPICS, EVENT_TOPICS
from shared.messaging.security import PLAINTEXT, KafkaSecurity
from shared.settings import load_kafka_settings

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


def ensure(
    bootstrap_servers: str, wanted: list[NewTopic], timeout_s: float = 60.0, security: KafkaSecurity = PLAINTEXT
) -> list[str]:
    """Make the topics that are missing and answer their names.

    Waits for the cluster, then raises KafkaException; at once where a broker refuses the login or the certificate is
    not trusted.
    """
    refusals: list[KafkaError] = []

    def told(error: KafkaError) -> None:
        if error.name() in ("_AUTHENTICATION", "_SSL"):
            refusals.append(error)

    given: dict[str, Any] = {"bootstrap.servers": bootstrap_servers, "log_level": 2, "error_cb": told}
    admin = AdminClient(given | security.for_librdkafka())
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            there = admin.list_topics(timeout=2).topics
            missing = [topic for topic in wanted if topic.topic not in there]
            for future in admin.create_topics(missing, operation_timeout=10).values() if missing else ():
                future.result()
        except KafkaException:
            admin.poll(0)
            if refusals:
                raise KafkaException(refusals[0]) from None
            if time.monotonic() > deadline:
                raise
            time.sleep(0.3)
        else:
            return [topic.topic for topic in missing]


def main() -> None:
    """Make the topics on the cluster that the environment names; stops with one sentence where that cannot be."""
    kafka = load_kafka_settings()
    wanted = topics(replication=int(os.environ.get("KAFKA_REPLICATION", REPLICATION)))
    try:
        made = ensure(kafka.kafka_bootstrap_servers, wanted, security=kafka.kafka_security)
    except KafkaException as problem:
        sys.exit(f"The topics could not be made on {kafka.kafka_bootstrap_servers}: {problem.args[0].str()}.")
    sys.stdout.write(f"topics made: {', '.join(made) or 'none, all were there'}\n")


if __name__ == "__main__":
    main()
