"""Every metric of the platform, declared once with its meaning; an institution's id is never a label."""

from collections.abc import Sequence

import numpy as np
from prometheus_client import Counter, Gauge, Histogram

REQUEST_SECONDS = Histogram(
    "hamkor_http_request_seconds",
    "Duration of HTTP requests",
    ["service", "method", "route", "status"],
    buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
RELAY_LAG = Gauge("hamkor_relay_lag_events", "Events in the log that are not yet published to Kafka", ["service"])
RELAY_PUBLISHED = Counter("hamkor_relay_published_events_total", "Events published to Kafka by the relay", ["service"])
RELAY_FAILURES = Counter("hamkor_relay_failures_total", "Rounds of the relay that failed and are repeated", ["service"])
INBOX_LAG = Gauge(
    "hamkor_inbox_lag_events",
    "Events of a source's shard that exist but are not yet applied here",
    ["service", "source", "shard"],
)
INBOX_APPLIED = Counter("hamkor_inbox_applied_events_total", "Events applied exactly once", ["service", "source"])
INBOX_DUPLICATES = Counter(
    "hamkor_inbox_duplicate_events_total", "Events that came again and were skipped", ["service", "source"]
)
INBOX_HEALED = Counter(
    "hamkor_inbox_healed_events_total",
    "Events fetched from the source's feed because Kafka did not bring them",
    ["service", "source"],
)
INBOX_FAILURES = Counter(
    "hamkor_inbox_failures_total", "Batches that failed on infrastructure and are repeated", ["service", "source"]
)
DEAD_LETTERS = Counter("hamkor_dead_letters_total", "Events laid down as poison", ["service", "source", "reason"])
DEAD_LETTERS_OPEN = Gauge("hamkor_dead_letters_open", "Dead letters neither replayed nor discarded", ["service"])
FUSE_BLOWN = Gauge(
    "hamkor_inbox_fuse_blown", "1 while a consumer is stopped by too much poison in a row", ["service", "source"]
)
CONSUMER_CONNECTED = Gauge("hamkor_consumer_connected", "1 while the consumer is connected to Kafka", ["service"])
FRESHNESS = Histogram(
    "hamkor_indicator_freshness_seconds",
    "Event time to visible in the indicators",
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300, 3600),
)
REBUILD = Gauge(
    "hamkor_rebuild_done_ratio", "How much of a new generation of the indicators is built; -1 while none is being built"
)
TIME_PASSED = Counter(
    "hamkor_time_passed_total",
    "Facts that the calendar made, without anybody's command",
    ["fact"],
)
WEBHOOK_DELIVERIES = Counter(
    "hamkor_webhook_deliveries_total", "Attempts to deliver to webhooks: delivered, retried, failed", ["outcome"]
)
WEBHOOK_SECONDS = Histogram(
    "hamkor_webhook_seconds",
    "Duration of an attempt to deliver to a webhook",
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15),
)
WEBHOOKS_WAITING = Gauge("hamkor_webhook_waiting_deliveries", "Deliveries not yet taken by their webhooks")
ADVICE = Counter("hamkor_advice_total", "Recommendations that rules made, resolved or let expire", ["what"])


def observe_all(histogram: Histogram, values: Sequence[float]) -> None:
    """As `histogram.observe(value)` for each of the values, at a tenth of its cost: a batch has tens of thousands."""
    bounds = np.array(histogram._upper_bounds)  # noqa: SLF001 - prometheus_client observes one at a time only
    for number, count in enumerate(np.bincount(np.searchsorted(bounds, values), minlength=len(bounds)).tolist()):
        if count:
            histogram._buckets[number].inc(count)  # noqa: SLF001
    histogram._sum.inc(sum(values))  # noqa: SLF001
