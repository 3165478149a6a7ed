"""The pages that bring files in: what a file looks like, what would become of it, and then the rows themselves.

The reader's own token goes with every file, and the service alone judges it: nobody can bring in here what they could
not bring in by the API.
"""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final
from urllib.parse import quote, urlencode

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response, StreamingResponse

from services.portal.rendering import Pages
from services.portal.sign_in import SessionEnded
from services.portal.work.api import Answer
from services.portal.work.declaration import Declared
from services.portal.work.imports import jobs
from services.portal.work.imports.carried import packed, unpacked
from services.portal.work.imports.columns import columns_of
from services.portal.work.imports.report import Fault, carried_faults, faults_carried, faults_of_file, report_of
from services.portal.work.imports.uploads import CSV, KINDS, XLSX, Upload
from services.portal.work.reader import Worker, Workers
from services.portal.work.schema import Field, Import
from shared.errors import Forbidden, NotFound, TooLarge
from shared.ids import new_id

MOST_BYTES: Final = 10_000_000
MOST_WATCHED_BYTES: Final = 200_000_000
MOST_ROWS: Final = 5_000
"""What the services take; they refuse what is more."""
FAULTS_SHOWN: Final = 100
PARTS: Final = ("title", "detail", "remedy")


@dataclass(frozen=True, slots=True)
class Taking:
    """A register that takes files."""

    register: Declared
    fields: tuple[Field, ...]
    imports: Import

    @property
    def name(self) -> str:
        """The register's name."""
        return self.register.name

    @property
    def address(self) -> str:
        """Where its page stands, and where files are sent to."""
        return f"/work/{self.name}/import"

    @property
    def most(self) -> int:
        """How many bytes a file may have."""
        return MOST_WATCHED_BYTES if self.imports.watched else MOST_BYTES


@dataclass(frozen=True, slots=True)
class Held:
    """A file that stays with the page, for the next button: packed, or "" where it has to be chosen once more."""

    name: str
    carried: str
    commit: bool


@dataclass(frozen=True, slots=True)
class Problem:
    """What stands in the way of the whole file."""

    texts: Mapping[str, str]
    status: int
    faults: Sequence[Fault] = ()
    sign_in: bool = False


def taking_of(worker: Worker, name: str, *, stranger: bool = False) -> Taking:
    """A register that takes files of this reader.

    Raises NotFound where it takes none, Forbidden where the reader creates nothing there, Unavailable as
    `Worker.register` does. A stranger is asked for nothing: their page is shown again, and nothing is done.
    """
    if stranger:
        declared = worker.declared.register_of(name)
        description = worker.described.get(name)
    else:
        declared, description = worker.register(name)
    if declared is None or description is None or description.imports is None or description.create is None:
        raise NotFound
    if not stranger and not declared.brings_in(worker.role):
        raise Forbidden
    return Taking(declared, description.create.body or (), description.imports)


def add_imports(  # noqa: C901 - a list of routes
    router: APIRouter, pages: Pages, workers: Workers, worker_of: Callable[[Request], Awaitable[Worker]]
) -> None:
    """Add the routes: before those of single entries, whose addresses fit them too."""

    @router.get("/work/{name}/import")
    async def show(request: Request, name: str) -> Response:
        worker = await worker_of(request)
        return page(request, worker, taking_of(worker, name))

    @router.get("/work/{name}/import/template.csv")
    async def template_csv(request: Request, name: str) -> Response:
        worker = await worker_of(request)
        taking = taking_of(worker, name)
        written = (await _files()).empty_csv(_names(worker, taking), worker.words.lang)
        return Response(written, media_type=f"{CSV}; charset=utf-8", headers=_attached(f"{name}.csv"))

    @router.get("/work/{name}/import/template.xlsx")
    async def template_xlsx(request: Request, name: str) -> Response:
        worker = await worker_of(request)
        taking = taking_of(worker, name)
        written = (await _files()).empty_xlsx(_names(worker, taking))
        return StreamingResponse(written, media_type=XLSX, headers=_attached(f"{name}.xlsx"))

    @router.post("/work/{name}/import")
    async def receive(request: Request, name: str, tried: str = "") -> Response:
        try:
            worker = await worker_of(request)
        except SessionEnded:
            worker = await workers.stranger(request)
            taking = taking_of(worker, name, stranger=True)
            if taking.imports.watched:
                return await ended_watched(request, worker, taking)
            return await tell(request, worker, taking, ended=True)
        taking = taking_of(worker, name)
        if taking.imports.watched:
            return await watch(request, worker, taking, tried)
        return await tell(request, worker, taking)

    @router.post("/work/{name}/import/faults.csv")
    async def faults_file(request: Request, name: str) -> Response:
        worker = await worker_of(request)
        taking_of(worker, name)
        upload = Upload(request, 0)
        await upload.open()
        files = await _files()
        faults = await run_in_threadpool(faults_carried, upload.fields.get("faults", ""))
        table = files.faults_head(worker.words) + files.faults_rows(faults)
        return Response(table, media_type=f"{CSV}; charset=utf-8", headers=_attached(f"{name}-faults.csv"))

    @router.get("/work/{name}/import/{id_}")
    async def job(request: Request, name: str, id_: str, after: str = "") -> Response:
        worker = await worker_of(request)
        taking = taking_of(worker, name)
        return page(request, worker, taking, **await watched(worker, taking, id_, after[:500]))

    @router.get("/work/{name}/import/{id_}/faults.csv")
    async def job_faults(request: Request, name: str, id_: str) -> Response:
        worker = await worker_of(request)
        taking = taking_of(worker, name)
        service, words = taking.register.service, worker.words
        # what cannot be read is a page, not a broken file
        await jobs.job_of(worker.services, service, id_)
        files = await _files()

        async def table() -> AsyncIterator[str]:
            yield files.faults_head(words)
            async for faults in jobs.all_faults(worker.services, words, service, name, id_):
                yield files.faults_rows(faults)

        return StreamingResponse(table(), media_type=f"{CSV}; charset=utf-8", headers=_attached(f"{name}-faults.csv"))

    @router.get("/fragments/import/{name}/{id_}")
    async def progress(request: Request, name: str, id_: str) -> Response:
        """How far a job is: the page asks again and again, until it is over."""
        try:
            worker = await worker_of(request)
            taking = taking_of(worker, name)
            told = await watched(worker, taking, id_, "")
        except SessionEnded:
            # the job goes on, and so may the page once its reader is back
            request.state.new_session = None
            return pages.fragment(request, "work/import_ended.html", address=f"/work/{name}/import/{quote(id_)}")
        return pages.fragment(request, "work/import_job.html", taking=taking, asked_again=True, **told)

    # -- small files: the answer says what became of each row

    async def tell(request: Request, worker: Worker, taking: Taking, *, ended: bool = False) -> Response:
        upload = Upload(request, taking.most)
        try:
            await upload.open()
            content = b"".join([chunk async for chunk in upload.chunks()])
        except ClientDisconnect:
            return Response(status_code=499)
        except TooLarge:
            await upload.drain()
            return page(request, worker, taking, problem=_too_large(worker, taking))
        name = upload.name or upload.fields.get("file_name", "")[-200:]
        carried = ""
        if not upload.name:
            carried = upload.fields.get("carried", "")
            content = unpacked(carried, taking.most)
        key = _key_of(upload.fields.get("key", ""))
        commit = upload.fields.get("do") == "commit"
        kind = upload.kind if upload.name else KINDS.get(f".{name.rpartition('.')[2].lower()}", "")
        if problem_ := _unsendable(worker, name if upload.name or content else "", kind):
            return page(request, worker, taking, problem=problem_, key=key)
        held = Held(name, carried or await run_in_threadpool(packed, content), commit)
        if ended:
            return session_over(request, worker, taking, key=key, held=held)
        try:
            # sending took its time: the token may have to be another by now
            worker = await worker_of(request)
            answer = await worker.services.bring_in(
                taking.register.service, taking.imports.path, content, kind, key, commit=commit
            )
        except SessionEnded:
            return session_over(request, await workers.stranger(request), taking, key=key, held=held)
        return await told(request, worker, taking, answer, key, held)

    async def told(request: Request, worker: Worker, taking: Taking, answer: Answer, key: str, held: Held) -> Response:
        if not answer.done:
            again = held if answer.status >= 500 else None
            return page(request, worker, taking, problem=_refused(worker, taking, answer), key=key, held=again)
        # five thousand rows may have a hundred thousand faults
        report = await run_in_threadpool(report_of, worker.words, taking.name, answer.body)
        good = report.new and not report.committed
        # Rows count once under their key: it stays for the mended file, in which only refused rows are different.
        return page(
            request,
            worker,
            taking,
            report=report,
            faults=report.faults[:FAULTS_SHOWN],
            all_faults=await run_in_threadpool(carried_faults, report.faults),
            key=key if report.refused or not report.committed else str(new_id()),
            mended=bool(report.committed and report.refused),
            held=Held(held.name, held.carried, commit=True) if good else None,
            file_name=held.name,
        )

    # -- large files: the answer is a job

    async def watch(request: Request, worker: Worker, taking: Taking, tried: str) -> Response:
        upload = Upload(request, taking.most)
        # One bringing in for each trial, however often the button is pressed. Trials store nothing: each is its own.
        key = f"page-{_key_of(tried)}"
        try:
            await upload.open()
            problem = _unsendable(worker, upload.name, upload.kind)
            if problem is None:
                answer = await worker.services.bring_in(
                    taking.register.service,
                    taking.imports.path,
                    upload.chunks(),
                    upload.kind,
                    key,
                    commit=bool(tried),
                )
                if answer.status == 202 and answer.body.get("id"):
                    return RedirectResponse(f"{taking.address}/{quote(str(answer.body['id']))}", 303)
                problem = _refused(worker, taking, answer)
        except ClientDisconnect:
            return Response(status_code=499)
        except SessionEnded:
            return await ended_watched(request, await workers.stranger(request), taking, upload)
        except TooLarge:
            problem = _too_large(worker, taking)
        await upload.drain()
        return page(request, worker, taking, problem=problem)

    async def ended_watched(request: Request, worker: Worker, taking: Taking, upload: Upload | None = None) -> Response:
        await (upload or Upload(request, taking.most)).drain()
        return session_over(request, worker, taking)

    async def watched(worker: Worker, taking: Taking, id_: str, after: str) -> dict[str, Any]:
        """What a page says of a job; raises NotFound where the register has no such jobs."""
        if not taking.imports.watched:
            raise NotFound
        service = taking.register.service
        job = await jobs.job_of(worker.services, service, id_)
        faults, following = (
            await jobs.faults_page(worker.services, worker.words, service, taking.name, id_, after)
            if job.over and job.wrong
            else ([], "")
        )
        address = f"{taking.address}/{quote(id_)}"
        return {
            "job": job,
            "faults": faults,
            "job_address": address,
            "more": f"{address}?{urlencode({'after': following})}#outcome" if following else "",
            "first": f"{address}#outcome" if after else "",
        }

    # -- the page

    def session_over(
        request: Request, worker: Worker, taking: Taking, *, key: str = "", held: Held | None = None
    ) -> Response:
        """The session ended meanwhile: the page again, with the file as far as it can be carried."""
        request.state.new_session = None
        carried = held is not None and bool(held.carried)
        problem = _ours(worker, "ended" if carried else "ended_file", 401, name=held.name if held else "")
        return page(request, worker, taking, problem=Problem(problem.texts, 401, sign_in=True), key=key, held=held)

    def page(request: Request, worker: Worker, taking: Taking, **more: Any) -> Response:
        problem: Problem | None = more.get("problem")
        context: dict[str, Any] = {
            "problem": None,
            "report": None,
            "job": None,
            "faults": (),
            "held": None,
            "mended": False,
            "asked_again": False,
        }
        context |= more
        context["key"] = context.get("key") or str(new_id())
        return pages.page(
            request,
            "work/import.html",
            status=problem.status if problem else 200,
            taking=taking,
            register_name=worker.words.register(taking.name),
            columns=columns_of(worker, taking.name, taking.fields),
            most_rows=MOST_ROWS,
            names_of=worker.words.register,
            **context,
        )


async def _files() -> Any:
    """The module that writes files, loaded when it is first needed, off the loop."""
    return await run_in_threadpool(import_module, "services.portal.work.imports.files")


def _names(worker: Worker, taking: Taking) -> list[str]:
    """The columns of an empty file, without those that this reader leaves empty."""
    return [each.name for each in columns_of(worker, taking.name, taking.fields) if not each.unused]


def _attached(name: str) -> dict[str, str]:
    return {"content-disposition": f'attachment; filename="{name}"', "cache-control": "no-store"}


def _key_of(text: str) -> str:
    """A key as a page gave it, or another where it is none: it goes into a header."""
    return text if re.fullmatch(r"[A-Za-z0-9-]{1,64}", text) else str(new_id())


def _unsendable(worker: Worker, name: str, kind: str) -> Problem | None:
    """Why there is nothing to send: no file, or none that imports read."""
    if not name:
        return _ours(worker, "no_file", 422)
    return None if kind else _ours(worker, "wrong_kind", 415, name=name)


def _ours(worker: Worker, code: str, status: int, **params: object) -> Problem:
    return Problem({part: worker.words.text(f"import.problem.{code}.{part}", **params) for part in PARTS}, status)


def _too_large(worker: Worker, taking: Taking) -> Problem:
    return _ours(worker, "too_large", 413, limit=taking.most // 1_000_000)


def _refused(worker: Worker, taking: Taking, answer: Answer) -> Problem:
    """What the service says is wrong with the file; in our words where it said nothing."""
    if not answer.body.get("title"):
        return _ours(worker, "away", 503)
    if answer.code == "idempotency-key-reused":
        return _ours(worker, "other_file", answer.status)
    if answer.code == "too-large":
        return _too_large(worker, taking)
    faults = faults_of_file(worker.words, taking.name, answer)
    return Problem({part: str(answer.body.get(part, "")) for part in PARTS}, answer.status, faults)
