"""Instruments as data: drafts, published versions."""

from alembic import op

from shared.persistence.chassis import grant

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# Whoever stands below an owner reads what it published; only who sees the owner's place changes anything.
MINE = "app_sees(org_path)"
READ = f"{MINE} or (status <> 'draft' and app_stands_below(org_path))"


def upgrade() -> None:
    """Create the tables, their indexes and policies."""
    op.execute(
        """
        create function app_stands_below(owner text) returns boolean language sql stable as $$
            select starts_with(
                case split_part(s, ':', 1)
                    when 'path' then substr(s, 6)
                    when 'institution' then
                        coalesce((select i.org_path from institution i where i.id = substr(s, 13)), '')
                    else '' end,
                owner)
            from (select coalesce(current_setting('app.scope', true), 'none') as s) as setting
        $$
        """
    )
    op.execute(
        "create table own_instrument (code text not null, instrument_version integer not null "
        "check (instrument_version > 0), edition integer not null, "
        "org_path text not null check (org_path like '/17/%'), "
        "status text not null check (status in ('draft', 'published', 'retired')), document jsonb not null, "
        "summary jsonb not null, changed_at timestamptz not null, primary key (code, instrument_version))"
    )
    op.execute("create unique index own_instrument_draft on own_instrument (code) where status = 'draft'")
    op.execute("create index own_instrument_org_path on own_instrument (org_path text_pattern_ops, code)")
    grant("own_instrument", "select, insert, update, delete")
    op.execute("alter table own_instrument enable row level security")
    op.execute("alter table own_instrument force row level security")
    op.execute(f"create policy own_instrument_read on own_instrument for select using ({READ})")
    op.execute(f"create policy own_instrument_insert on own_instrument for insert with check ({MINE})")
    op.execute(f"create policy own_instrument_update on own_instrument for update using ({MINE}) with check ({MINE})")
    op.execute(f"create policy own_instrument_delete on own_instrument for delete using ({MINE} and status = 'draft')")
    # Published for good: whatever a programme does, the document of a published version stays as it is.
    op.execute(
        """
        create function keep_published() returns trigger language plpgsql as $$
        begin
            if old.status <> 'draft' and (new.document <> old.document or new.status = 'draft') then
                raise exception 'a published instrument never changes' using errcode = 'integrity_constraint_violation';
            end if;
            return new;
        end $$
        """
    )
    op.execute(
        "create trigger keep_published before update on own_instrument for each row execute function keep_published()"
    )
