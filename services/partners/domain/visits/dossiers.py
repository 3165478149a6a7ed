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

    institution_id: Id
    category: PartnerCategory
    enterprise_id: Id | None = None
    partner_ref: Ref | None = None

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

    size: EnterpriseSize | None = Field(default=None, description="left out: that of the register")
    directions: Annotated[
        tuple[IsicSection, ...], Field(max_length=10, description="main directions of activity, ISIC sections")
    ] = ()
    union_member: bool | None = Field(default=None, description="whether its staff belong to a trade union")
    interests: Annotated[tuple[Opportunity, ...], Field(max_length=7)] = ()
    forms: Forms = ()
    contacts: Annotated[tuple[ContactPerson, ...], Field(max_length=20)] = ()
    notes: Note | None = None


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
