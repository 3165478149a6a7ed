"""Everything about running Hamkor: the local stack, the command line, images, Kafka, the identity provider and what operators watch."""
