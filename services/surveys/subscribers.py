"""What surveys makes of others' events: it knows institutions and enterprises, and facts of agreements' invite."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from services.surveys.commands import campaigns, graduates, institutions, invitations, waves
from services.surveys.domain.invitations import Fact
from services.surveys.tables import GraduateStatusRow, InvitationRow
from shared.contracts.agreements import EmploymentState, EmploymentStatus
from shared.contracts.events import Event, State
from shared.contracts.partners import EnterpriseState, InstitutionState, InstitutionStatus
from shared.contracts.practice import OutcomeState, PlacementState, PlacementStatus
from shared.contracts.surveys import Occasion, RespondentKind
from shared.persistence.following import Following
from shared.persistence.unit_of_work import UnitOfWork

LISTENS_TO = ("partners", "agreements")
HEARD: Mapping[tuple[str, str], type[State]] = {
    ("partners", "institution"): InstitutionState,
    ("partners", "enterprise"): EnterpriseState,
    ("agreements", "placement"): PlacementState,
    ("agreements", "employment"): EmploymentState,
    ("agreements", "outcome"): OutcomeState,
}
"""What is read of each (service, aggregate), whatever the fact: whole states, so that what is older changes nothing."""

FOLLOWING = Following(
    [invitations.follow_merge, graduates.follow_merge],
    {"invitation": InvitationRow, "graduate_status": GraduateStatusRow},
    institutions.living_end,
)
"""How references of surveys follow merged enterprises."""

S = TypeVar("S", bound=State)


class Surroundings:
    """The projection of partners' registers and of the facts of agreements' that invite; `step` is k."""

    def __init__(self, step: int) -> None:
        self._step = step

    def decode(self, event: Event) -> State | None:
        """The state that an event of version 1 tells; None for all that surveys does not read."""
        _, service, aggregate, _, version = (event.type.split(".") + [""] * 5)[:5]
        model = HEARD.get((service, aggregate))
        return model.model_validate_json(event.data) if model is not None and version == "v1" else None

    async def apply(self, uow: UnitOfWork, batch: Sequence[tuple[Event, Any]]) -> None:
        """Keep the states, let references follow and facts invite, in the transaction that advances the positions."""
        told = [state for _, state in batch]
        await self._institutions(uow, _newest(told, InstitutionState))
        await _enterprises(uow, _newest(told, EnterpriseState))
        employments = _newest(told, EmploymentState)
        await institutions.keep_employments(uow, employments)
        await graduates.relink(uow, [(each.institution_id, each.graduate_ref) for each in employments.values()])
        facts = [_READ[type(state)](state) for state in _latest(told) if type(state) in _READ]
        await invitations.take_facts(uow, facts)

    async def _institutions(self, uow: UnitOfWork, states: Mapping[str, InstitutionState]) -> None:
        if not states:
            return
        # Waves come first everywhere: whoever counts their quotas holds them, and writes campaigns.
        await waves.notice_institutions(uow)
        await institutions.take_over(uow, states)
        for id_, state in sorted(states.items()):
            if state.status is InstitutionStatus.CLOSED:
                await campaigns.close_all(uow, id_, self._step)
        await invitations.find_homes(uow, states)


async def _enterprises(uow: UnitOfWork, states: Mapping[str, EnterpriseState]) -> None:
    if not states:
        return
    before = await institutions.keep_enterprises(uow, states)
    for id_ in sorted(id_ for id_, into in before.items() if into and states[id_].merged_into != into):
        await FOLLOWING.unmerge(uow, id_)
    for id_ in sorted(id_ for id_, state in states.items() if state.merged_into is not None):
        # Merges are told from different shards, in any order: the end of the chain counts, not the next link.
        await FOLLOWING.merge(uow, id_)


def _placement(state: PlacementState) -> Fact:
    return Fact(
        occasion=Occasion.PLACEMENT,
        source_id=state.id,
        source_version=state.version,
        institution_id=state.institution_id,
        respondents={RespondentKind.STUDENT: state.student_ref, RespondentKind.ENTERPRISE: state.enterprise_id},
        since=state.completed_on or state.ends_on,
        holds=state.status is PlacementStatus.COMPLETED,
    )


def _employment(state: EmploymentState) -> Fact:
    return Fact(
        occasion=Occasion.EMPLOYMENT,
        source_id=state.id,
        source_version=state.version,
        institution_id=state.institution_id,
        respondents={RespondentKind.GRADUATE: state.graduate_ref},
        since=state.started_on,
        holds=state.status is not EmploymentStatus.CANCELLED,
    )


def _outcome(state: OutcomeState) -> Fact:
    return Fact(
        occasion=Occasion.OUTCOME,
        source_id=state.id,
        source_version=state.version,
        institution_id=state.institution_id,
        respondents={RespondentKind.GRADUATE: state.graduate_ref},
        since=state.graduated_on,
        holds=not state.withdrawn,
    )


_READ: Mapping[type[State], Callable[[Any], Fact]] = {
    PlacementState: _placement,
    EmploymentState: _employment,
    OutcomeState: _outcome,
}
"""The facts that invite: what each asks for."""


def _newest(told: Iterable[State], kind: type[S]) -> dict[str, S]:
    newest: dict[str, S] = {}
    for state in told:
        if isinstance(state, kind) and (state.id not in newest or newest[state.id].version < state.version):
            newest[state.id] = state
    return newest


def _latest(told: Sequence[State]) -> list[State]:
    return [state for kind in _READ for state in _newest(told, kind).values()]
