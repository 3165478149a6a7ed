"""Apache Kafka without a container engine: three brokers in KRaft mode from Maven's packages, and our topics."""
