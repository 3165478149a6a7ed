"""Every Kafka topic of the platform."""

from shared.contracts.events import SERVICES, dead_letter_topic_of, topic_of

EVENT_TOPICS: tuple[str, ...] = tuple(topic_of(service) for service in SERVICES)
DEAD_LETTER_TOPICS: tuple[str, ...] = tuple(dead_letter_topic_of(topic) for topic in EVENT_TOPICS)
TOPICS: tuple[str, ...] = EVENT_TOPICS + DEAD_LETTER_TOPICS
