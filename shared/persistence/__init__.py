"""PostgreSQL: engine, scope by row-level security, the unit of work, rows of aggregates, migrations."""
