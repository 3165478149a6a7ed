"""Alembic's environment for every service: runs on the connection that shared.persistence.migrate holds."""

from alembic import context

connection = context.config.attributes["connection"]
context.configure(connection=connection, transaction_per_migration=False)
with context.begin_transaction():
    context.run_migrations()
