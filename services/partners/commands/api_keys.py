"""Use cases of API keys: issue, revoke – and who a key that is presented speaks for."""

from uuid import UUID

from sqlalchemy import text

from services.partners.commands.institutions import named_institution
from services.partners.domain import api_keys as domain
from services.partners.tables.api_keys import ApiKeyRow
from shared.clock import local_day
from shared.contracts.platform import ApiKeyState
from shared.ids import new_id
from shared.persistence.unit_of_work import Database, UnitOfWork
from shared.scope import Principal, Role
from shared.web.auth import KEY_SHAPE
from shared.web.edge import Revealed

_KEEP = text("insert into api_key_secret (id, digest) values (:id, :digest)")
_LOOK_UP = text("select key.state, secret.digest from api_key key join api_key_secret secret using (id) where id = :id")
_USED = text("update api_key set last_used_on = :today where id = :id and last_used_on is distinct from :today")


async def issue_api_key(uow: UnitOfWork, command: domain.IssueApiKey) -> Revealed:
    """Issue a key for an institution within the caller's scope; its secret is in this answer and nowhere else."""
    institution = await named_institution(uow, command.institution_id, "institution_id")
    event_type, state = domain.issue(new_id(), command, local_day(uow.now))
    secret = domain.new_secret()
    label = domain.Label(label=command.label)
    await uow.record(ApiKeyRow, event_type, state, key=institution.id, org_path=institution.path, details=label)
    await uow.session.execute(_KEEP, {"id": state.id, "digest": domain.digest_of(secret)})
    return Revealed(state, {"key": domain.token_of(state.id, secret)})


async def revoke_api_key(uow: UnitOfWork, id_: str) -> ApiKeyState:
    """End a key at once; every service has heard of it within half a minute."""
    state = await uow.load(ApiKeyRow, ApiKeyState, id_, what="api_key")
    row = await uow.session.get_one(ApiKeyRow, id_)
    event_type, revoked = domain.revoke(state, local_day(uow.now))
    return await uow.record(ApiKeyRow, event_type, revoked, key=state.institution_id, org_path=row.org_path)


class OwnApiKeys:
    """Who keys speak for, by this service's own database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def principal(self, token: str) -> Principal | None:
        """The institution of a key that works, limited to its scopes; notes the day of its use."""
        match = KEY_SHAPE.fullmatch(token)
        if match is None:
            return None
        async with self._database.unit_of_work() as uow:
            id_, today = str(UUID(match[1])), local_day(uow.now)
            found = (await uow.session.execute(_LOOK_UP, {"id": id_})).one_or_none()
            if found is None or not domain.same(bytes(found.digest), match[2]):
                return None
            state = ApiKeyState.model_validate(found.state)
            if not domain.works(state, today):
                return None
            await uow.session.execute(_USED, {"id": id_, "today": today})
        return Principal(f"key:{state.id}", Role.INSTITUTION, state.institution_id, frozenset(state.scopes))
