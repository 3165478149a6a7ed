"""What the rows of surveys share."""

from sqlalchemy.orm import registry
from sqlmodel import SQLModel


class Base(SQLModel, registry=registry()):
    """Rows of this service share one metadata of their own."""
