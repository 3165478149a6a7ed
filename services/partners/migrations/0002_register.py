"""The enterprise register: what merges changed, search across scripts, and imports one can watch."""

import sqlalchemy as sa
from alembic import op

from services.partners.tables.registers import EnterpriseRow
from shared.contracts.partners import EnterpriseState
from shared.importing.tables import create_import_tables
from shared.persistence.chassis import create_journal, grant

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

AT_ONCE = 5_000


def upgrade() -> None:
    """Create the tables, their indexes and policies."""
    create_journal()
    _create_search()
    create_import_tables()


def _create_search() -> None:
    # Trusted: the owner of the database may create it.
    op.execute("create extension if not exists pg_trgm")
    op.execute("drop index enterprise_name")
    op.execute("alter table enterprise add column terms text[] not null default '{}'")
    op.execute("create index enterprise_stir_prefix on enterprise (stir text_pattern_ops)")
    op.execute("create table enterprise_word (word text not null)")
    grant("enterprise_word", "select, insert")
    _fill()
    # The register is public within the platform, and row-level security that lets everything through may not say so by
    # a function: PostgreSQL evaluates it before any operator that is not leakproof, and neither @> nor % nor LIKE is –
    # their indexes would never be used (measured: 400 ms instead of 5). Who may not read is refused before; writing is
    # bound as ever.
    op.execute("drop policy enterprise_read on enterprise")
    op.execute("create policy enterprise_read on enterprise for select using (true)")
    # A small pending list: a search reads it from end to end.
    op.execute("create index enterprise_terms on enterprise using gin (terms) with (gin_pending_list_limit = 1024)")
    op.execute("create index enterprise_word_like on enterprise_word using gin (word gin_trgm_ops)")
    op.execute("create index enterprise_word_begins on enterprise_word (word text_pattern_ops)")


def _fill() -> None:
    """Terms and words of the enterprises that are there already."""
    connection = op.get_bind()
    connection.execute(sa.text("select set_config('app.scope', 'all', true)"))
    last, words = "", set[str]()
    while True:
        rows = connection.execute(
            sa.text("select id, state from enterprise where id > :last order by id limit :limit"),
            {"last": last, "limit": AT_ONCE},
        ).all()
        if not rows:
            break
        terms = {row.id: EnterpriseRow.columns(EnterpriseState.model_validate(row.state))["terms"] for row in rows}
        for id_, found in terms.items():
            connection.execute(
                sa.text("update enterprise set terms = :terms where id = :id"), {"terms": found, "id": id_}
            )
        words |= {term for found in terms.values() for term in found if ":" not in term}
        last = rows[-1].id
    if words:
        connection.execute(
            sa.text("insert into enterprise_word select unnest(cast(:words as text[]))"), {"words": sorted(words)}
        )
