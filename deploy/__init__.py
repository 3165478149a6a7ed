"""All about running Hamkor: local stack, command line, images, Kafka, identity provider, what operators watch."""
