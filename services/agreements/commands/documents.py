"""Use cases of sample documents and issued documents (R11)."""

from datetime import timedelta

from sqlalchemy import select, text
from sqlmodel import col

from services.agreements.commands.final_stage import record_change, require_free
from services.agreements.commands.references import require_institution
from services.agreements.domain.boards.commands import BoardDetails
from services.agreements.domain.boards.rules import in_term
from services.agreements.domain.documents import issuing, samples
from services.agreements.domain.documents.content import sha256
from services.agreements.domain.documents.filling import Filling, Rows, check, fill
from services.agreements.domain.documents.templates import Subject, Template
from services.agreements.domain.final_stage import Repeal
from services.agreements.rendering.press import PRESS, render
from services.agreements.tables.agreements import AgreementRow
from services.agreements.tables.final_stage import BoardRow, DocumentRow, SampleRow
from services.agreements.templates import templates
from shared.clock import local_day
from shared.contracts.agreements import AgreementState, AgreementStatus
from shared.contracts.final_stage import BoardState, DocumentKind, DocumentState, SampleState
from shared.contracts.vocabulary import PartyCategory
from shared.errors import FieldError, InvalidInput
from shared.i18n import Lang
from shared.ids import new_id
from shared.persistence.unit_of_work import UnitOfWork
from shared.printing.press import Unprintable

_NEXT = text(
    "insert into document_series (institution_id, year, series, last) values (:institution_id, :year, :series, 1) "
    "on conflict (institution_id, year, series) do update set last = document_series.last + 1 returning last"
)
ONE_DAY = timedelta(days=1)
ON_THE_TEMPLATE = (PartyCategory.INSTITUTION, PartyCategory.ENTERPRISE)
"""The institution and the enterprise it is made with have sides of their own in the templates; others sign below."""


async def adopt_sample(uow: UnitOfWork, command: samples.AdoptSample) -> SampleState:
    """Adopt the newest template of a kind the institution has no sample of; a new edition of one is `revise`."""
    institution = await require_institution(uow, command.institution_id)
    key = {"institution_id": command.institution_id, "kind": command.kind.value}
    await require_free(uow, SampleRow, "sample", **key)
    version = templates()[command.kind].version
    event_type, state = samples.adopt(new_id(), command, version, local_day(uow.now))
    return await uow.record(SampleRow, event_type, state, key=state.institution_id, org_path=institution.path)


async def revise_sample(uow: UnitOfWork, id_: str, command: samples.ReviseSample) -> SampleState:
    """Adopt the newest template as the next edition."""
    state = await _load_sample(uow, id_)
    version = templates()[state.kind].version
    return await record_change(uow, SampleRow, samples.revise(state, command, version, local_day(uow.now)))


async def repeal_sample(uow: UnitOfWork, id_: str, command: Repeal) -> SampleState:
    """End its last edition."""
    return await record_change(
        uow, SampleRow, samples.repeal(await _load_sample(uow, id_), command, local_day(uow.now))
    )


async def issue_document(uow: UnitOfWork, command: issuing.IssueDocument) -> DocumentState:
    """Fill a template, give it the next number of the institution's series, and keep what it was filled with."""
    institution = await require_institution(uow, command.institution_id)
    template, language, today = templates()[command.kind], Lang(command.language), local_day(uow.now)
    agreement = await _agreement_of(uow, command, template)
    enterprise_id = issuing.made_with(command, agreement)
    filling = await _filling(uow, command, template, language, agreement, enterprise_id)
    check(template, filling)
    with PRESS.admitted():
        # From here on other documents of this series wait: a number is only taken where the document comes to be.
        key = {"institution_id": command.institution_id, "year": today.year, "series": template.series}
        sequence = int((await uow.session.execute(_NEXT, key)).scalar_one())
        content = fill(template, language, filling, issuing.number_of(today.year, template.series, sequence), today)
        try:
            files = await render(content)
        except Unprintable as letters:
            raise InvalidInput(*_where(command, str(letters))) from None
    event_type, state = issuing.issue(
        new_id(),
        command,
        template,
        content,
        sequence,
        enterprise_id=enterprise_id,
        docx_sha256=sha256(files.docx),
        pdf_sha256=sha256(files.pdf),
    )
    return await uow.record(
        DocumentRow,
        event_type,
        state,
        key=state.institution_id,
        org_path=institution.path,
        details=issuing.details(command, content),
    )


async def annul_document(uow: UnitOfWork, id_: str) -> DocumentState:
    """It is no longer valid; its number is not given again."""
    state = await uow.load(DocumentRow, DocumentState, id_, what="document")
    return await record_change(uow, DocumentRow, issuing.annul(state, local_day(uow.now)))


async def follow_merge(uow: UnitOfWork, merged_id: str, living: str) -> None:
    """Every document made with the merged enterprise is the living one's from now on."""
    query = select(col(DocumentRow.id)).where(col(DocumentRow.enterprise_id) == merged_id).order_by(col(DocumentRow.id))
    for id_ in (await uow.session.execute(query.with_for_update())).scalars().all():
        state = await uow.load(DocumentRow, DocumentState, id_, what="document")
        await record_change(uow, DocumentRow, issuing.reassign(state, living))


def _where(command: issuing.IssueDocument, letters: str) -> list[FieldError]:
    """The fields that hold letters which cannot be printed; with none, what the document is filled from does."""
    places = {f"fields.{name}": value for name, value in command.fields.items()}
    places |= {f"party_names.{name}": value for name, value in command.party_names.items()}
    for name, rows in command.tables.items():
        places |= {f"tables.{name}.{index}": " ".join(row) for index, row in enumerate(rows)}
    found = [place for place, value in places.items() if letters in value] or ["board_id"]
    return [FieldError(place, "no_glyph", {"value": letters}) for place in found]


async def _agreement_of(uow: UnitOfWork, command: issuing.IssueDocument, template: Template) -> AgreementState | None:
    """The agreement it is filled from, if one is named; raises InvalidInput for a subject that does not fit."""
    subjects = {Subject.AGREEMENT: command.agreement_id, Subject.BOARD: command.board_id}
    for subject, id_ in subjects.items():
        if id_ is not None and template.subject is not subject:
            raise InvalidInput(FieldError(f"{subject}_id", "subject_not_taken", {"kind": template.kind.value}))
    if command.agreement_id is None:
        return None
    query = select(AgreementRow).where(
        col(AgreementRow.id) == command.agreement_id,
        col(AgreementRow.institution_id) == command.institution_id,
        AgreementRow.visible(uow.principal.scope),
    )
    row: AgreementRow | None = (await uow.session.execute(query)).scalar_one_or_none()
    if row is None or row.status == AgreementStatus.CANCELLED:
        raise InvalidInput(FieldError("agreement_id", "unknown_agreement", {"value": str(command.agreement_id)}))
    agreement = AgreementState.model_validate(row.state)
    if template.form is not None and agreement.form is not template.form:
        raise InvalidInput(
            FieldError("agreement_id", "agreement_of_other_form", {"value": agreement.form, "limit": template.form})
        )
    return agreement


async def _filling(
    uow: UnitOfWork,
    command: issuing.IssueDocument,
    template: Template,
    language: Lang,
    agreement: AgreementState | None,
    enterprise_id: str | None,
) -> Filling:
    """What is given and what the agreement or board adds; raises InvalidInput for parties that cannot be named."""
    given = Filling(values=command.fields, tables=command.tables)
    if agreement is not None:
        return _from_agreement(command, template, given, agreement, enterprise_id)
    if command.party_names:
        raise InvalidInput(FieldError("party_names", "extra_forbidden"))
    if command.board_id is not None:
        return await _from_board(uow, command, template, given, language)
    return given


def _from_agreement(
    command: issuing.IssueDocument,
    template: Template,
    given: Filling,
    agreement: AgreementState,
    enterprise_id: str | None,
) -> Filling:
    known = {"starts_on": agreement.valid_from, "ends_on": agreement.valid_until}
    names = {each.name for each in template.fields}
    return Filling(
        values=given.values,
        tables=given.tables,
        known={name: value for name, value in known.items() if name in names},
        known_tables={"schedule": _schedule(agreement)},
        more_sides=_more_sides(command, template, agreement, enterprise_id),
        # Whoever was employed stays so when the agreement is over.
        within=template.kind is not DocumentKind.EMPLOYMENT_CONTRACT,
    )


def _schedule(agreement: AgreementState) -> Rows:
    return tuple(
        (term.term, f"{term.starts_on:%d.%m.%Y} – {term.ends_on:%d.%m.%Y}", term.profession, str(term.seats))
        for term in agreement.schedule
    )


def _more_sides(
    command: issuing.IssueDocument, template: Template, agreement: AgreementState, enterprise_id: str | None
) -> tuple[tuple[str, str], ...]:
    """The parties that sign below the template's own sides; raises InvalidInput naming each whose name is missing.

    Other enterprises than the one it is made with sign only where they are named.
    """
    unknown = command.party_names.keys() - {party.party_id for party in agreement.parties}
    faults = [FieldError(f"party_names.{id_}", "unknown_party", {"value": id_}) for id_ in sorted(unknown)]
    sides: list[tuple[str, str]] = []
    if PartyCategory.INSTITUTION in template.signatures:
        covered = list(ON_THE_TEMPLATE)
        for party in agreement.parties:
            is_enterprise = party.category is PartyCategory.ENTERPRISE
            if party.category in covered and (party.ref == enterprise_id or not is_enterprise):
                covered.remove(party.category)
            elif name := command.party_names.get(party.party_id):
                sides.append((party.category.value, name))
            elif not is_enterprise:
                faults.append(FieldError(f"party_names.{party.party_id}", "missing"))
    if faults:
        raise InvalidInput(*faults)
    return tuple(sides)


async def _from_board(
    uow: UnitOfWork, command: issuing.IssueDocument, template: Template, given: Filling, language: Lang
) -> Filling:
    query = select(BoardRow).where(
        col(BoardRow.id) == command.board_id,
        col(BoardRow.institution_id) == command.institution_id,
        BoardRow.visible(uow.principal.scope),
    )
    row: BoardRow | None = (await uow.session.execute(query)).scalar_one_or_none()
    if row is None:
        raise InvalidInput(FieldError("board_id", "unknown_board", {"value": str(command.board_id)}))
    board, details = BoardState.model_validate(row.state), BoardDetails.model_validate(row.details)
    words = template.words[language]
    texts = {each.member_id: each for each in details.member_texts}
    members = in_term(board, local_day(uow.now))
    return Filling(
        values=given.values,
        tables=given.tables,
        known={"quorum_percent": str(board.quorum_percent)},
        known_tables={
            "members": tuple(
                (
                    texts[member.member_id].name,
                    words.categories[member.category],
                    texts[member.member_id].position,
                    f"{member.since:%d.%m.%Y} – "
                    + (f"{member.until - ONE_DAY:%d.%m.%Y}" if member.until else words.unlimited),
                )
                for member in board.members
                if member.member_id in members
            )
        },
    )


async def _load_sample(uow: UnitOfWork, id_: str) -> SampleState:
    return await uow.load(SampleRow, SampleState, id_, what="sample")
