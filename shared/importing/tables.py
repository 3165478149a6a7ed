"""The tables of imports, for migrations."""

from alembic import op

from shared.persistence.chassis import grant, protect


def create_import_tables() -> None:
    """Jobs, the blocks of rows that wait, and faults."""
    op.execute(
        'create table import_job (id text collate "C" primary key, register text not null, commits boolean not null, '
        "role text not null, subject text not null, org text not null, org_path text not null, hash bytea not null, "
        "columns text[] not null, status text not null, rows integer not null default 0, "
        "done integer not null default 0, new integer not null default 0, changed integer not null default 0, "
        "unchanged integer not null default 0, wrong integer not null default 0, created_at timestamptz not null, "
        "started_at timestamptz, ended_at timestamptz)"
    )
    op.execute("create index import_job_waiting on import_job (created_at) where status in ('waiting', 'running')")
    op.execute(
        'create table import_fault (job text collate "C" not null references import_job, row integer not null, '
        "field text not null, value text not null, rule text not null, params jsonb not null, "
        "primary key (job, row, field, rule))"
    )
    grant("import_job")
    grant("import_fault", "select, insert")
    protect("import_job", read="app_sees(org_path)")
    protect("import_fault", read="app_signed_in()")
    create_import_blocks()


def create_import_blocks() -> None:
    """Rows by the thousand: one by one each would cost two index entries and a look at its job."""
    # They live for a minute: to compress them would cost more than it saves.
    op.execute(
        'create table import_block (job text collate "C" not null references import_job, block integer not null, '
        "rows integer[] not null, keys text[] storage external not null, cells text storage external not null, "
        "repeats jsonb, primary key (job, block))"
    )
    grant("import_block", "select, insert, update, delete")
    protect("import_block", read="app_signed_in()")
