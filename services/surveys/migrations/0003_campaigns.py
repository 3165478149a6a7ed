"""Waves of campaigns, invitations, and what graduates say of their status."""

from alembic import op

from shared.persistence.chassis import aggregate_table, create_journal, grant, protect

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables, their indexes and policies."""
    op.execute("alter table institution add column kind text not null default ''")
    op.execute(
        "create table enterprise_ref (id text primary key, version integer not null, stir text not null, "
        "status text not null, merged_into text)"
    )
    op.execute("create index enterprise_ref_stir on enterprise_ref (stir)")
    op.execute(
        "create table employment_ref (id text primary key, version integer not null, institution_id text not null, "
        "graduate_ref text not null, enterprise_id text not null, started_on date not null, status text not null)"
    )
    op.execute("create index employment_ref_graduate on employment_ref (institution_id, graduate_ref)")
    for table in ("enterprise_ref", "employment_ref"):
        grant(table)
        protect(table, read="app_signed_in()", write="app_sees('')")
    create_journal()
    _campaigns()
    _waves()
    _invitations()
    _graduates()


def _campaigns() -> None:
    op.execute(
        "alter table campaign add column wave_id text, add column standing text, add column group_code text, "
        "add column scheduled boolean not null default false, "
        "add column full_since date"
    )
    op.execute("create unique index campaign_wave on campaign (wave_id, institution_id) where wave_id is not null")
    op.execute(
        "create unique index campaign_standing on campaign (institution_id, instrument, standing) "
        "where standing is not null"
    )
    op.execute("create index campaign_scheduled on campaign (first_day) where scheduled and status = 'draft'")
    op.execute("create index campaign_open_at on campaign (institution_id) where status <> 'closed'")


def _waves() -> None:
    columns = (
        "territory text not null",
        "instrument text not null",
        "status text not null",
        "first_day date not null",
        "last_day date not null",
        "campaigns_due boolean not null default false",
        "quotas_due timestamptz",
    )
    aggregate_table("wave", columns, detailed=True)
    op.execute("create index wave_planned on wave (first_day) where status = 'planned'")
    op.execute("create index wave_open on wave (last_day) where status = 'open'")
    op.execute("create index wave_due on wave (id) where campaigns_due")
    op.execute("create index wave_quotas on wave (quotas_due) where quotas_due is not null")
    protect("wave", read="app_sees(org_path)")


def _invitations() -> None:
    op.execute("create table invitation_rule (code text primary key, version integer not null, state jsonb not null)")
    grant("invitation_rule")
    protect("invitation_rule", read="app_signed_in()", write="app_sees('/17/')")
    # What a fact of agreements' asks for, once per fact, rule and point in time – whether or not it is due yet.
    op.execute(
        'create table occasion (id text collate "C" primary key, rule text not null, source_id text not null, '
        "source_version integer not null, months integer not null, institution_id text not null, "
        "respondent_ref text not null, due_on date not null, status text not null, invitation_id text)"
    )
    op.execute("create index occasion_due on occasion (due_on, id) where status = 'waiting'")
    op.execute("create index occasion_source on occasion (source_id)")
    op.execute("create index occasion_invitation on occasion (invitation_id) where invitation_id is not null")
    grant("occasion")
    protect("occasion", read="app_sees('')")
    columns = (
        "institution_id text not null",
        "campaign_id text not null references campaign",
        "instrument text not null",
        "respondent text not null",
        "respondent_ref text not null",
        "occasion text not null",
        "source_id text",
        "months integer not null",
        "status text not null",
        "lapses_on date not null",
        "remind_on date",
        "handed_on date",
        "fingerprint bytea check (octet_length(fingerprint) = 32)",
    )
    aggregate_table("invitation", columns)
    op.execute("create unique index invitation_fingerprint on invitation (fingerprint) where fingerprint is not null")
    op.execute("create index invitation_campaign on invitation (campaign_id, status, id)")
    op.execute("create index invitation_person on invitation (institution_id, respondent_ref, instrument)")
    op.execute("create index invitation_remind on invitation (remind_on) where status = 'pending'")
    op.execute("create index invitation_lapse on invitation (lapses_on) where status = 'pending'")
    op.execute(
        "create unique index invitation_listed on invitation (campaign_id, respondent_ref) "
        "where occasion = 'list' and status in ('pending', 'redeemed')"
    )
    protect("invitation", read="app_sees(org_path)")
    # Keyed hashes of invitations that were turned into tokens: without the pepper nobody can tell whose.
    op.execute(
        "create table redemption (fingerprint bytea primary key check (octet_length(fingerprint) = 32), "
        "campaign_id text not null, blinded bytea not null check (octet_length(blinded) = 32), "
        "told boolean not null default false)"
    )
    op.execute("create index redemption_untold on redemption (campaign_id) where not told")
    grant("redemption")
    protect("redemption", read="app_sees('')")


def _graduates() -> None:
    columns = (
        "institution_id text not null",
        "graduate_ref text not null",
        "months integer not null",
        "status text not null",
        "enterprise_id text",
        "told_on date not null",
    )
    aggregate_table("graduate_status", columns)
    grant("graduate_status", "delete")
    op.execute("create unique index graduate_status_person on graduate_status (institution_id, graduate_ref, months)")
    op.execute("create index graduate_status_enterprise on graduate_status (enterprise_id)")
    protect("graduate_status", read="app_sees(org_path)")
    # That there was consent, to which text, and when it was taken back: kept when what was told is deleted.
    op.execute(
        "create table consent (id text primary key, org_path text not null, institution_id text not null, "
        "text_version integer not null, lang text not null, means text not null, given_on date not null, "
        "withdrawn_on date)"
    )
    op.execute("create index consent_org_path on consent (org_path text_pattern_ops, id)")
    grant("consent")
    protect("consent", read="app_sees(org_path)")
