"""A stand-in for the services behind the portal: invented but steady numbers on the real territory, a change stream.

For page tests only; run alone it serves one port: `python -m tests.e2e.pages.fake_services PORT`.
"""

import asyncio
import json
import random
import sys
import zlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import uvicorn
from fastapi import FastAPI, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse

from services.portal.territory import territory
from shared.i18n import negotiate

INDICATORS = [
    ("I2", "ratio", "up", ["academic_year"], "Muassasaga talab", "Спрос на учебное заведение", "Demand"),
    ("I5", "ratio", "up", ["month", "academic_year"], "Shakllar xilma-xilligi", "Разнообразие форм", "Variety"),
    ("F1", "count", "up", ["month", "academic_year"], "Shartnomalar", "Договоры и мероприятия", "Agreements"),
    ("F2", "ratio", "up", ["month", "academic_year"], "Amaliyot jadvali", "График практики", "Internship schedule"),
    ("F3", "persons", "up", ["month", "academic_year"], "Ishga joylashganlar", "Трудоустроенные", "Employed graduates"),
    *(
        (f"S{number}", "score", "up", ["month", "quarter", "academic_year"], uz, ru, en)
        for number, (uz, ru, en) in enumerate(
            [
                ("Ish beruvchilar talabi", "Требования работодателей", "Employers' requirements"),
                ("Amaliyot qabul qiluvchilar", "Принимающие предприятия", "Host employers"),
                ("Amaliyotchilar tayyorligi", "Готовность практикантов", "Students' readiness"),
                ("Bitiruvchilar fikri", "Мнение выпускников", "Graduates' opinion"),
                ("Oʻqituvchilar bahosi", "Оценка преподавателей", "Teachers' assessment"),
            ],
            start=1,
        )
    ),
]
KINDS = {2: "nation", 4: "region", 7: "district"}
INSTITUTIONS_PER_DISTRICT = 120
NO_VALUE, HIDDEN = "1735", "1724"
"""Regions whose F3 is unknown and suppressed."""


def level_of(code: str) -> str:
    """The level that a code is of."""
    return KINDS.get(len(code), "institution")


def steady(*parts: object) -> float:
    """A number in 0…1 that is always the same for the same parts."""
    return zlib.crc32("|".join(map(str, parts)).encode()) / 2**32


def institutions(district: str) -> list[str]:
    """Ids of a district's institutions."""
    return [f"0199-{district}-{number:03}" for number in range(INSTITUTIONS_PER_DISTRICT)]


def children_of(code: str) -> list[str]:
    """Codes of the places directly below."""
    if level_of(code) == "district":
        return institutions(code)
    return [place.code for place in territory().values() if place.parent == code]


def path_to(code: str) -> list[str]:
    """Codes of the places above, the widest first."""
    if level_of(code) == "institution":
        code = code.split("-")[1]
        return ["17", code[:4], code]
    return [code[:length] for length in (2, 4) if length < len(code)]


class World:
    """The invented state: a bonus per place that grows when something happens."""

    def __init__(self) -> None:
        self.bonus: dict[tuple[str, str], int] = {}
        self.as_of = datetime.now(UTC)
        self.listeners: dict[asyncio.Queue[str | None], asyncio.AbstractEventLoop] = {}
        self.requests: list[dict[str, Any]] = []
        self.down = False

    def happen(self, institution: str, indicator: str = "F1", amount: int = 1) -> None:
        """Something happened at an institution: it and all places above move, listeners hear of it."""
        self.as_of = datetime.now(UTC)
        codes = [*path_to(institution), institution]
        for code in codes:
            self.bonus[indicator, code] = self.bonus.get((indicator, code), 0) + amount
        message = {"places": codes, "indicators": [indicator], "as_of": self.as_of.isoformat()}
        self._tell(json.dumps(message))

    def hang_up(self) -> None:
        """End all change streams."""
        self._tell(None)

    def _tell(self, message: str | None) -> None:
        for queue, loop in list(self.listeners.items()):
            loop.call_soon_threadsafe(queue.put_nowait, message)

    def value(self, indicator: str, code: str, period: str) -> dict[str, Any]:
        """A value as the monitoring API gives it."""
        size = {"nation": 10522, "region": 700, "district": 51, "institution": 1}[level_of(code)]
        unit = next(row[1] for row in INDICATORS if row[0] == indicator)
        draw = steady(indicator, code, period)
        numerator: float | None = round(size * (2 + 6 * draw)) + self.bonus.get((indicator, code), 0)
        denominator: float | None = None
        value: float | None = numerator
        coverage = None
        if unit == "ratio":
            denominator = round(size * 9)
            value = (numerator or 0) / denominator
            coverage = 0.6 + 0.4 * draw
        elif unit == "score":
            denominator, value = size * 3, 2.5 + 2 * draw
        unknown = indicator == "F3" and code == NO_VALUE
        suppressed = indicator == "F3" and code == HIDDEN
        if unknown or suppressed:
            value = numerator = denominator = None
        parts: dict[str, float] = {}
        if indicator == "F1" and value is not None:
            shares = {"signed": 0.3, "ended": 0.1, "enterprises": 0.4, "AF1": 0.5, "AF2": 0.3, "AF4": 0.2, "AF9": 0}
            shares |= {"enterprise": 0.8, "hokimiyat": 0.2, "trade_union": 0}
            parts = {part: round(value * share) for part, share in shares.items()}
        return {
            "place": {"code": code, "level": level_of(code), "name": name_of(code)},
            "value": value,
            "numerator": numerator,
            "denominator": denominator,
            "coverage": coverage,
            "suppressed": suppressed,
            "as_of": self.as_of.isoformat(),
            "parts": parts,
        }


def name_of(code: str) -> str:
    """A place's name in Uzbek."""
    known = territory().get(code)
    return known.names["uz"] if known else f"{code.rsplit('-', 1)[1].lstrip('0') or '0'}-maktab"  # type: ignore[index]


def place_ref(code: str) -> dict[str, str]:
    """Code, name and level."""
    return {"code": code, "name": name_of(code), "level": level_of(code)}


def build(world: World) -> FastAPI:  # noqa: C901 - a list of routes
    """One app that answers for all services."""
    app = FastAPI(openapi_url=None)

    @app.middleware("http")
    async def note(request: Request, call_next: Any) -> Response:
        world.requests.append({"path": request.url.path, "query": request.url.query, "headers": dict(request.headers)})
        if world.down and not request.url.path.startswith("/ready"):
            return JSONResponse({"title": "down"}, 503)
        answer: Response = await call_next(request)
        return answer

    @app.get("/v1/indicators")
    async def indicators(request: Request) -> list[dict[str, Any]]:
        at = {"uz": 4, "uz-Cyrl": 4, "ru": 5, "en": 6}[negotiate(request.headers.get("accept-language"))]
        return [
            {"code": row[0], "name": row[at], "help": f"{row[at]}: …", "formula": "Σ a ÷ Σ b", "unit": row[1],
             "direction": row[2], "period_kinds": row[3], "group": row[0][0]}
            for row in INDICATORS
        ]  # fmt: skip

    @app.get("/v1/scope")
    async def scope(request: Request) -> Any:
        import base64

        token = request.headers["authorization"].split(".")[1]
        org = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))).get("org", "17")
        return {"place": place_ref(org)}

    @app.get("/v1/places/{code}")
    async def place(code: str) -> Any:
        if code not in territory() and code.split("-")[0] != "0199":
            return JSONResponse({"title": "not found"}, 404)
        above = path_to(code)
        return place_ref(code) | {
            "parent": above[-1] if above else None,
            "ancestors": [place_ref(item) for item in above],
            "children": 0 if level_of(code) == "institution" else len(children_of(code)),
        }

    @app.get("/v1/values")
    async def values(indicator: str, place: str, period: str, children: bool = False) -> Any:
        answer: dict[str, Any] = {
            "indicator": indicator,
            "period": period,
            "value": world.value(indicator, place, period),
        }
        if children and level_of(place) != "institution":
            answer["children"] = [world.value(indicator, code, period) for code in children_of(place)]
        return answer

    @app.get("/v1/series")
    async def series(request: Request, indicator: str, place: str, kind: str, to: str) -> Any:
        first = request.query_params["from"]
        points = []
        year, month = int(first[:4]), int(first[5:7])
        for _ in range(60):
            text = f"{year}-{month:02}" if kind == "month" else f"{year}-{(year + 1) % 100:02}"
            value = world.value(indicator, place, text)
            points.append({"period": text} | {k: value[k] for k in ("value", "numerator", "denominator", "suppressed")})
            if text == to:
                break
            year, month = (year + (month == 12), month % 12 + 1) if kind == "month" else (year + 1, month)
        return {"points": points}

    @app.get("/v1/lineage")
    async def lineage(indicator: str, place: str, period: str, after: str = "", limit: int = 25) -> Any:
        start = int(after or 0)
        items = [
            {
                "aggregate": "agreement",
                "id": f"0199a0{number:04}",
                "institution": place_ref(f"0199-1708401-{number % 100:03}"),
                "part": "active/AF1",
                "amount": 1,
                "month": "2026-09",
                "version": 2,
                "events": [
                    {"id": f"e{number}-{step}", "type": f"hamkor.agreements.agreement.{step}.v1",
                     "source": "agreements", "time": world.as_of.isoformat(), "shard": number % 64, "position": number}
                    for step in ("drafted", "signed")
                ],
            }
            for number in range(start, min(start + limit, 60))
        ]  # fmt: skip
        return {"items": items, "next": str(start + limit) if start + limit < 60 else None}

    @app.get("/v1/changes")
    async def changes(place: str) -> Response:
        queue: asyncio.Queue[str | None] = asyncio.Queue()
        world.listeners[queue] = asyncio.get_running_loop()

        async def events() -> AsyncIterator[str]:
            try:
                yield ": welcome\n\n"
                while True:
                    try:
                        async with asyncio.timeout(15):
                            message = await queue.get()
                        if message is None:
                            return
                        yield f"event: changed\ndata: {message}\n\n"
                    except TimeoutError:
                        yield ": heartbeat\n\n"
            finally:
                world.listeners.pop(queue, None)

        return StreamingResponse(events(), media_type="text/event-stream")

    @app.get("/v1/institutions")
    async def register(q: str = "", after: str = "", limit: int = 30) -> Any:
        found = [item for district in ("1708401", "1726266") for item in institutions(district) if q in name_of(item)]
        start = int(after or 0)
        rows = found[start : start + limit]
        items = [
            {"id": item, "code": item[-6:], "name": name_of(item), "kind": "school", "district": item.split("-")[1]}
            for item in rows
        ]
        return {"items": items, "next": str(start + limit) if start + limit < len(found) else None}

    @app.get("/v1/enterprises")
    async def enterprises(q: str = "") -> Any:
        items = [{"id": "0199e1", "name": "Jizzax plast MChJ", "stir": "301234567", "district": "1708401"}]
        return {"items": [item for item in items if q.lower() in item["name"].lower()], "next": None}

    @app.get("/ready")
    @app.get("/live")
    async def ready() -> Any:
        return {"ready": True, "live": True, "problems": {}}

    @app.get("/internal/heads")
    async def heads() -> Any:
        return {"service": "partners", "heads": [3] * 64}

    @app.get("/internal/inbox")
    async def inbox() -> Any:
        return {"service": "monitoring", "applied": {"partners": {str(n): 3 for n in range(63)}}, "dead_letters": 1}

    @app.get("/internal/dead-letters")
    async def letters() -> Any:
        return {
            "items": [
                {"id": "d1", "type": "hamkor.x", "reason": "schema", "source": "surveys", "shard": 1, "position": 7}
            ]
        }

    @app.get("/metrics")
    async def metrics() -> Response:
        return PlainTextResponse('hamkor_relay_lag_events{service="partners"} 4.0\n')

    @app.get("/s/{code}")
    async def survey_form(code: str, request: Request) -> Response:
        return Response(f"<!doctype html><title>S3</title><p>{code}</p>", media_type="text/html")

    @app.post("/v1/echo")
    async def echo(request: Request) -> Any:
        return {"bytes": len(await request.body()), "headers": dict(request.headers)}

    return app


async def _busy(world: World) -> None:
    while True:
        await asyncio.sleep(random.uniform(1, 4))
        district = random.choice([code for code in territory() if len(code) == 7])
        indicator = random.choice(["F1", "F2", "I2", "F3"])
        world.happen(random.choice(institutions(district)), indicator, random.randint(1, 40))


async def _main(port: int) -> None:
    world = World()
    server = uvicorn.Server(uvicorn.Config(build(world), port=port, log_level="warning", timeout_graceful_shutdown=1))
    busy = asyncio.create_task(_busy(world))
    await server.serve()
    busy.cancel()


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1])))
