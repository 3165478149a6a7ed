"""The registry of event types and the envelope in which an event travels."""

from dataclasses import dataclass
from datetime import datetime

import msgspec
from pydantic import BaseModel, ConfigDict

from shared.ids import shard_of

SERVICES = ("partners", "agreements", "surveys", "monitoring")
MAX_DATA_BYTES = 900_000


class State(BaseModel):
    """An aggregate's full relevant state as events carry it: immutable; unknown fields of newer writers are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    version: int


class Value(BaseModel):
    """A part of a state without identity of its own."""

    model_config = ConfigDict(frozen=True, extra="ignore")


@dataclass(frozen=True, slots=True)
class EventType:
    """One past fact: its CloudEvents type, the service that owns it, and the model its data obeys."""

    name: str
    service: str
    aggregate: str
    model: type[State]

    @property
    def topic(self) -> str:
        """The Kafka topic the event is published on."""
        return topic_of(self.service)


REGISTRY: dict[str, EventType] = {}


def declare(service: str, aggregate: str, model: type[State], *facts: str) -> tuple[EventType, ...]:
    """Register `hamkor.<service>.<aggregate>.<fact>.v1` for every past participle in `facts`."""
    types = tuple(EventType(f"hamkor.{service}.{aggregate}.{fact}.v1", service, aggregate, model) for fact in facts)
    for each in types:
        if each.name in REGISTRY:
            raise ValueError(f"event type {each.name} is declared twice")
        REGISTRY[each.name] = each
    return types


def topic_of(service: str) -> str:
    """`hamkor.<service>.events`."""
    return f"hamkor.{service}.events"


def dead_letter_topic_of(topic: str) -> str:
    """The topic on which records of `topic` that could not be read are laid down."""
    return f"{topic.removesuffix('.events')}.dlq"


class Recorded(msgspec.Struct, frozen=True):
    """An event that a command records, before its stream gives it a position.

    `key` is the stream key: the institution's id or, for the national enterprise register, the enterprise's. `json` is
    the state's, where it was made already.
    """

    type: EventType
    key: str
    state: State
    json: str | None = None

    @property
    def shard(self) -> int:
        """The shard the event belongs to."""
        return shard_of(self.key)

    @property
    def subject(self) -> str:
        """CloudEvents subject: `<aggregate>/<id>`."""
        return f"{self.type.aggregate}/{self.state.id}"


class Event(msgspec.Struct, frozen=True, gc=False):
    """An event as the log keeps it and Kafka carries it (CloudEvents 1.0 binary mode); `data` is JSON bytes.

    A struct, because many thousands a second are made: a frozen dataclass takes ten times as long.
    """

    id: str
    type: str
    source: str
    subject: str
    key: str
    time: datetime
    shard: int
    position: int
    data: bytes
    traceparent: str | None = None
