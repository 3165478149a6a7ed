"""Large imports: rows wait in blocks, fewer indexes on enterprises, and a scope that is looked at without a call."""

from alembic import op

from shared.importing.tables import create_import_blocks
from shared.persistence.chassis import define_scope

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring what waits from rows into blocks; leave out what no query reads."""
    define_scope()
    # The register is national: nothing looks for enterprises by path. By the beginning of a STIR its unique index
    # answers, now that it is in the order of characters.
    op.execute("drop index enterprise_org_path")
    op.execute("drop index enterprise_stir_prefix")
    op.execute('alter table enterprise alter column stir type text collate "C"')
    op.execute("drop table if exists import_lane")
    if op.get_bind().exec_driver_sql("select to_regclass('import_row')").scalar() is not None:
        _into_blocks()


def _into_blocks() -> None:
    create_import_blocks()
    connection = op.get_bind()
    connection.exec_driver_sql("select set_config('app.scope', 'all', true)")
    # Databases of before have a mark of how far a job has come, or one for each of its lanes: whatever was done is
    # known by its STIR and comes out unchanged.
    connection.exec_driver_sql(
        "insert into import_block (job, block, rows, keys, cells, repeats) "
        "select job, (nr - 1) / 1000, array_agg(row order by row), array_agg(key order by row), "
        "'[' || string_agg(cells, ',' order by row) || ']', "
        "jsonb_object_agg(row, first) filter (where first < row) from ("
        "select job, row, key, cells, row_number() over (partition by job order by row) as nr, "
        "min(row) over (partition by job, key) as first from import_row) line group by job, (nr - 1) / 1000"
    )
    connection.exec_driver_sql(
        "update import_job set done = 0, new = 0, changed = 0, unchanged = 0, wrong = 0 "
        "where status in ('waiting', 'running')"
    )
    op.execute("drop table import_row")
