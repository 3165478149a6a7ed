"""The routes of the working pages: the desk, lists, entries, forms, and the pages without an account."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from services.portal.proxy import Upstreams
from services.portal.rendering import Pages
from services.portal.sign_in import SessionEnded, SignIn
from services.portal.work import commands, desk, registers, templates
from services.portal.work.commands import Done, Form
from services.portal.work.controls import every_control
from services.portal.work.declaration import declaration
from services.portal.work.forms import FIND
from services.portal.work.imports.routes import add_imports
from services.portal.work.reader import Worker, Workers
from services.portal.work.words import suggestions
from shared.errors import Forbidden, NotFound
from shared.i18n import Catalogue
from shared.scope import Role

FIELDS_LIMIT = 10_000
WORKING = frozenset({Role.MINISTRY, Role.REGION, Role.DISTRICT, Role.INSTITUTION, Role.ENTERPRISE})


def work_routes(pages: Pages, upstreams: Upstreams, sign_in: SignIn, catalogue: Catalogue, origin: str) -> APIRouter:  # noqa: C901 - a list of routes
    """The routes of the working pages; `origin` is where links lead that are sent to people."""
    router = APIRouter(include_in_schema=False)
    workers = Workers(upstreams, sign_in, catalogue, declaration())

    async def worker_of(request: Request) -> Worker:
        worker = await workers.of(request)
        if worker.role not in WORKING:
            raise Forbidden
        return worker

    @router.get("/work")
    async def my_desk(request: Request) -> Response:
        worker = await worker_of(request)
        stages, known = await desk.stages(worker)
        own = {Role.INSTITUTION: "institutions", Role.ENTERPRISE: "enterprises"}.get(worker.role, "")
        own = own if own and worker.described[own].read else ""
        return pages.page(
            request,
            "work/desk.html",
            heaps=await desk.heaps(worker),
            advice=await desk.advice(worker),
            stages=stages,
            known=known,
            own=f"/work/{own}/{worker.org}" if own else "",
            matching=worker.role in (Role.INSTITUTION, Role.ENTERPRISE),
            away=worker.away,
        )

    @router.get("/work/matches")
    async def matches(request: Request) -> Response:
        worker = await worker_of(request)
        if worker.role not in (Role.INSTITUTION, Role.ENTERPRISE):
            raise NotFound
        return pages.page(
            request, "work/matches.html", matches=await desk.matches(worker, worker.org), by=worker.role.value
        )

    add_imports(router, pages, workers, worker_of)

    @router.get("/work/{name}")
    async def register(request: Request, name: str) -> Response:
        worker = await worker_of(request)
        shown = await registers.listing(worker, name, request.query_params)
        return pages.page(request, "work/list.html", list=shown, suggested=_suggested(shown.filters))

    @router.get("/work/{name}/new")
    async def new(request: Request, name: str) -> Response:
        worker = await worker_of(request)
        declared, _, _ = commands.step_of(worker, name, "")
        if declared.templates and not request.query_params.get("kind"):
            return pages.page(
                request,
                "work/templates.html",
                register=name,
                register_name=worker.words.register(name),
                label=worker.words.new(name),
                templates=await templates.choices(worker, declared),
                query=urlencode(dict(request.query_params)),
            )
        return form_page(request, worker, await commands.fresh(worker, name, "", "", dict(request.query_params)))

    @router.post("/work/{name}/new")
    async def create(request: Request, name: str) -> Response:
        return await receive(request, name, "", "")

    @router.get("/work/{name}/{id_}")
    async def entry(request: Request, name: str, id_: str) -> Response:
        worker = await worker_of(request)
        declared, description = worker.register(name)
        found = await registers.entry_of(worker, declared, id_)
        await worker.shower.learn(description.shown, [found])
        return pages.page(
            request,
            "work/entry.html",
            register=declared,
            register_name=worker.words.register(name),
            title=worker.shower.title(declared, description.shown, found),
            state=worker.words.code("", str(found.get(declared.state, ""))) if found.get(declared.state) else "",
            tone=registers.tone_of(declared, found),
            pairs=worker.shower.entry(name, description.shown, found),
            actions=registers.actions(worker, declared, description, found),
            parts=await registers.parts(worker, declared, description, found),
            under=await registers.under(worker, declared, found),
            files=registers.files(declared, description, id_),
            listed=description.listed,
            done=_done_text(worker, name, request.query_params.get("done", "")),
            id=id_,
        )

    @router.get("/work/{name}/{id_}/{step}")
    async def step(request: Request, name: str, id_: str, step: str) -> Response:
        worker = await worker_of(request)
        return form_page(request, worker, await commands.fresh(worker, name, step, id_, dict(request.query_params)))

    @router.post("/work/{name}/{id_}/{step}")
    async def take(request: Request, name: str, id_: str, step: str) -> Response:
        return await receive(request, name, step, id_)

    @router.get("/fragments/pick/{name}")
    async def pick(request: Request, name: str) -> Response:
        worker = await worker_of(request)
        path, typed = next(
            ((key.removesuffix(FIND), value) for key, value in request.query_params.items() if key.endswith(FIND)),
            ("", ""),
        )
        below = request.query_params.get("below", "")
        found = await commands.look_for(worker, name, typed.strip(), below)
        return pages.fragment(request, "work/found.html", path=path, found=found, searched=True, value="")

    async def receive(request: Request, name: str, step: str, id_: str) -> Response:
        """A form that was sent: carried out, or shown again with everything that was typed."""
        async with request.form(max_files=0, max_fields=FIELDS_LIMIT) as data:
            try:
                worker = await worker_of(request)
            except SessionEnded:
                return await ended(request, name, step, id_, data)
            form = await commands.sent(worker, name, step, id_, data)
            action = str(data.get("_do", ""))
        if ":" in action:
            return form_page(request, worker, await commands.changed(worker, form, action))
        try:
            outcome = await commands.carry_out(worker, form)
        except SessionEnded:
            return await ended(request, name, step, id_, data)
        if isinstance(outcome, Form):
            return form_page(request, worker, outcome)
        return finished(request, worker, outcome, step)

    async def ended(request: Request, name: str, step: str, id_: str, data: FormData) -> Response:
        """The session ended while somebody was typing: their form again, and how to go on."""
        request.state.new_session = None
        worker = await workers.stranger(request)
        form = await commands.sent(worker, name, step, id_, data, ask=False)
        form.status = 401
        form.problem = {part: worker.words.text(f"work.ended.{part}") for part in ("title", "detail", "remedy")}
        return form_page(request, worker, form, sign_in=True)

    def finished(request: Request, worker: Worker, done: Done, step: str) -> Response:
        description = worker.described[done.register]
        href = f"/work/{done.register}" + (f"/{done.id}" if description.read and done.id else "")
        if done.reveals:
            labels = [(worker.words.label(done.register, name), value) for name, value in done.reveals]
            links = [value for name, value in done.reveals if name == "token"]
            return pages.page(request, "work/revealed.html", values=labels, tokens=links, origin=origin, href=href)
        return RedirectResponse(f"{href}?{urlencode({'done': step or 'new'})}", 303)

    def form_page(request: Request, worker: Worker, form: Form, *, sign_in: bool = False) -> Response:
        name = form.register.name
        at, body, summary = commands.drawn(worker, form)
        words = worker.words
        title = ""
        if form.entry is not None and form.id:
            title = worker.shower.title(form.register, form.description.shown, form.entry)
        return pages.page(
            request,
            "work/form.html",
            status=form.status,
            form=form,
            register_name=words.register(name),
            entry_title=title,
            label=words.step(name, form.step.name) if form.id else words.new(name),
            lead=words.step_help(name, form.step.name or "new", form.step.summary),
            careful=form.register.rule(form.step.name).careful,
            at=at,
            body=body,
            summary=summary,
            suggested=_suggested([*at, *body]),
            sign_in=sign_in,
        )

    return router


def _done_text(worker: Worker, register: str, step: str) -> str:
    """What is said above an entry after a step was carried out."""
    if not step or not all(char.isalnum() or char in "-_" for char in step):
        return ""
    if step == "new":
        return worker.words.text("work.made")
    declared, description = worker.register(register)
    if step not in description.steps:
        return ""
    return worker.words.text("work.done", step=worker.words.step(declared.name, step))


def _suggested(controls: Any) -> Mapping[str, list[tuple[str, str]]]:
    """Code lists that fields of this page suggest from, once each."""
    sources = {control.source for control in every_control(controls)}
    return {source: suggestions(source) for source in sorted(sources) if suggestions(source)}
