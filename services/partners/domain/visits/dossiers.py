"""V2: the dossier on a partner – size, main directions, trade union, interests; complete when all of it is known."""

from datetime import date
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from services.partners.domain.inputs import Forms, Note
from services.partners.domain.institutions import Command
from shared.contracts.events import EventType
from shared.contracts.fields import Id, IsicSection, Name, Ref
from shared.contracts.visits import DOSSIER_REASSIGNED, DOSSIER_RECORDED, DOSSIER_UPDATED, DossierState
from shared.contracts.vocabulary import EnterpriseSize, Opportunity, PartnerCategory

Outcome = tuple[EventType, DossierState]


class PartnerCommand(Command):
    """Names a partner: an enterprise of the register, or another organisation under its register number."""

    institution_id: Id = Field(description="whose partner it is")
    category: PartnerCategory = Field(description="which kind of partner")
    enterprise_id: Id | None = Field(default=None, description="for the category `enterprise` alone")
    partner_ref: Ref | None = Field(default=None, description="register number of a partner that is no enterprise")

    @model_validator(mode="after")
    def _one_partner(self) -> "PartnerCommand":
        wants_enterprise = self.category is PartnerCategory.ENTERPRISE
        if wants_enterprise != (self.enterprise_id is not None) or wants_enterprise == (self.partner_ref is not None):
            raise ValueError("partner_of_category")
        return self

    @property
    def partner(self) -> str:
        """The partner's id or register number."""
        return self.enterprise_id or self.partner_ref or ""


class ContactPerson(BaseModel):
    """A person to talk to; known to the institution alone."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name
    position: Name | None = None
    phone: Annotated[str | None, Field(max_length=40, pattern=r"^[0-9+ ()-]*$")] = None


class KeepDossier(PartnerCommand):
    """What is known of a partner; the whole dossier is replaced."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "institution_id": "0199c8a4-3b1e-7c55-9d1f-2f6f0c8f1a11",
                    "category": "enterprise",
                    "enterprise_id": "0199c8a4-7a20-7d31-8c11-0d5b1d3f9e22",
                    "size": "large",
                    "directions": ["C"],
                    "union_member": True,
                    "interests": ["O4", "O6"],
                    "forms": ["AF1", "AF2"],
                }
            ]
        }
    )

    size: EnterpriseSize | None = Field(default=None, description="left out: that of the register")
    directions: Annotated[
        tuple[IsicSection, ...], Field(max_length=10, description="main directions of activity, ISIC sections")
    ] = ()
    union_member: bool | None = Field(default=None, description="whether its staff belong to a trade union")
    interests: Annotated[tuple[Opportunity, ...], Field(max_length=7, description="what interests it, O1–O7")] = ()
    forms: Forms = Field(default=(), description="forms of agreement that come into question, AF1–AF9")
    contacts: Annotated[
        tuple[ContactPerson, ...], Field(max_length=20, description="whom to talk to; seen by the institution's side")
    ] = ()
    notes: Note | None = Field(default=None, description="the institution's own")


class DossierDetails(BaseModel):
    """What no event tells: whom to talk to, and notes."""

    model_config = ConfigDict(frozen=True)

    contacts: tuple[ContactPerson, ...] = ()
    notes: Note | None = None


def keep(
    id_: str, state: DossierState | None, command: KeepDossier, size: EnterpriseSize | None, today: date
) -> Outcome:
    """The dossier as it is now; `size` is what the register says."""
    known = command.size or size
    fields = command.model_dump(exclude={"contacts", "notes", "size"})
    sized = known is not None or command.category is not PartnerCategory.ENTERPRISE
    complete = bool(sized and command.directions and command.union_member is not None and command.interests)
    return DOSSIER_UPDATED if state else DOSSIER_RECORDED, DossierState(
        id=state.id if state else id_,
        version=state.version + 1 if state else 1,
        size=known,
        updated_on=today,
        complete=complete,
        **fields,
    )


def reassign(state: DossierState, enterprise_id: str) -> Outcome:
    """The dossier follows a merged enterprise."""
    return DOSSIER_REASSIGNED, state.model_copy(update={"enterprise_id": enterprise_id, "version": state.version + 1})
