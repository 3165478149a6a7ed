"""Rows of links by which parties sign: who may sign what until when – and the hash of a token nobody keeps."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import DateTime
from sqlmodel import Field

from services.agreements.tables.base import Reference

WITH_ZONE = DateTime(timezone=True)


class LinkRow(Reference, table=True):
    """A link; who sees its agreement sees it."""

    __tablename__ = "confirmation_link"

    id: UUID = Field(primary_key=True)
    agreement_id: str
    party_id: str
    token_hash: bytes
    made_at: datetime = Field(sa_type=WITH_ZONE)
    expires_at: datetime = Field(sa_type=WITH_ZONE)
    used_at: datetime | None = Field(default=None, sa_type=WITH_ZONE)
    revoked_at: datetime | None = Field(default=None, sa_type=WITH_ZONE)
