"""PostgreSQL's roles and databases: the same for the local stack, docker-compose and any server a team brings."""
