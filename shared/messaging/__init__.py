"""Streams: events get dense positions per shard, a relay carries them to Kafka, an inbox lets each take effect once."""
