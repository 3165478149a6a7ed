"""Forms: a command's schema becomes fields, what is typed becomes the command, and nothing typed is lost on the way."""

from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal

import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field
from starlette.datastructures import FormData, UploadFile

from services.portal.work import forms
from services.portal.work.controls import Control, mark_errors
from services.portal.work.declaration import declaration
from services.portal.work.schema import Description, Kind, Reader, Step, every
from shared.contracts.vocabulary import Form, Opportunity


class Line(BaseModel):
    """A row with a list inside."""

    profession: str
    seats: Annotated[int, Field(ge=1)]
    opportunities: tuple[Opportunity, ...] = ()


class Signer(BaseModel):
    """A party: what `ref` names depends on the category."""

    category: Literal["institution", "enterprise", "hokimiyat"]
    ref: str


class Command(BaseModel):
    """One field of every kind."""

    enterprise_id: str
    form: Form
    months: Literal[6, 12]
    opportunities: Annotated[tuple[Opportunity, ...], Field(min_length=1)]
    held_on: date
    starts_at: datetime
    month: str
    participants: int | None = None
    share: float | None = None
    amount_tiyin: int | None = None
    agreed: bool | None = None
    title: str | None = None
    notes: Annotated[str | None, Field(max_length=2000)] = None
    professions: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    lines: tuple[Line, ...] = ()
    parties: tuple[Signer, ...] = ()
    main: Line | None = None


def described() -> Description:
    """What a service says of a register with this command."""
    app = FastAPI()

    @app.get("/v1/things")
    def listed(form: Form | None = None, after: str | None = None, limit: int = 50) -> list[Any]:
        raise NotImplementedError

    @app.post("/v1/things", status_code=201)
    def create(body: Command) -> Command:
        raise NotImplementedError

    @app.put("/v1/things/{id_}/lines/{line_id}")
    def replace(id_: str, line_id: str, body: Line) -> None:
        raise NotImplementedError

    return Reader(app.openapi(), declaration()).describe("things")


DESCRIBED = described()
assert DESCRIBED.create is not None
FIELDS = DESCRIBED.create.body or ()

texts = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Z")), min_size=1, max_size=20)
ids = st.uuids().map(str)
lines = st.fixed_dictionaries(
    {"profession": st.sampled_from(["7231", "7212"]), "seats": st.integers(1, 10**6)},
    optional={"opportunities": st.lists(st.sampled_from([*map(str, Opportunity)]), min_size=1, unique=True)},
)
moments = st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1)).map(  # noqa: DTZ001 - made aware in the next line
    lambda moment: moment.replace(second=0, microsecond=0, tzinfo=UTC)
)
commands = st.fixed_dictionaries(
    {
        "enterprise_id": ids,
        "form": st.sampled_from([*map(str, Form)]),
        "months": st.sampled_from([6, 12]),
        "opportunities": st.lists(st.sampled_from([*map(str, Opportunity)]), min_size=1, unique=True),
        "held_on": st.dates().map(str),
        "starts_at": moments.map(datetime.isoformat),
        "month": st.just("2026-11"),
        "professions": st.lists(st.sampled_from(["7231", "7212"]), min_size=1),
        "scopes": st.lists(texts, min_size=1),
        "lines": st.lists(lines, min_size=1),
        "parties": st.lists(
            st.fixed_dictionaries(
                {"category": st.sampled_from(["institution", "enterprise", "hokimiyat"]), "ref": ids}
            ),
            min_size=1,
        ),
    },
    optional={
        "participants": st.integers(-(10**9), 10**12),
        "amount_tiyin": st.integers(0, 10**14),
        "agreed": st.booleans(),
        "title": texts,
        "notes": texts,
        "main": lines,
    },
)


Pairs = list[tuple[str, str | UploadFile]]


def sent(raw: forms.Raw, prefix: str = "") -> Pairs:
    """What a browser sends of a form that shows `raw`."""
    pairs: Pairs = []
    for name, value in raw.items():
        path = prefix + name
        if isinstance(value, list) and value and isinstance(value[0], dict):
            for number, row in enumerate(value):
                pairs += sent(row, f"{path}.{number}.")
        elif isinstance(value, list):
            joined = path.rpartition(".")[2] == "scopes"
            pairs += [(path, "\r\n".join(value))] if joined else [(path, each) for each in value]
        elif isinstance(value, dict) and set(value) == {"id", "find"}:
            pairs += [(path, value["id"]), (path + forms.FIND, value["find"])]
        elif isinstance(value, dict):
            pairs += sent(value, path + ".")
        else:
            pairs.append((path, value))
    return pairs


def same_moment(command: dict[str, Any]) -> dict[str, Any]:
    return command | {"starts_at": datetime.fromisoformat(command["starts_at"])}


@given(commands)
def test_command_shown_as_a_form_and_sent_again_is_the_same_command(command: dict[str, Any]) -> None:
    shown = forms.to_raw(FIELDS, command)
    read = forms.without_blank_rows(FIELDS, forms.read(FIELDS, FormData(sent(shown))))
    assert same_moment(forms.to_json(FIELDS, read)) == same_moment(command)


@given(st.lists(st.tuples(st.sampled_from([each.name for each in FIELDS] + ["lines.0.seats", "lines.9999.seats",
    "lines.-1.seats", "main.seats", "parties.0.ref.find", "lines"]), st.text(max_size=30))))  # fmt: skip
def test_whatever_is_sent_is_read_and_becomes_json(pairs: Pairs) -> None:
    raw = forms.read(FIELDS, FormData(pairs))
    forms.to_json(FIELDS, forms.without_blank_rows(FIELDS, raw))
    assert forms.to_raw(FIELDS, {}).keys() == raw.keys()


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("enterprise_id", Kind.REFERENCE),
        ("form", Kind.CHOICE),
        ("opportunities", Kind.CHOICES),
        ("held_on", Kind.DAY),
        ("starts_at", Kind.MOMENT),
        ("month", Kind.MONTH),
        ("participants", Kind.NUMBER),
        ("amount_tiyin", Kind.MONEY),
        ("agreed", Kind.FLAG),
        ("title", Kind.TEXT),
        ("notes", Kind.LONG),
        ("professions", Kind.CODES),
        ("scopes", Kind.LINES),
        ("lines", Kind.ROWS),
        ("main", Kind.GROUP),
        ("ref", Kind.PARTY),
    ],
)
def test_field_is_entered_as_what_it_is(name: str, kind: Kind) -> None:
    assert next(each for each in every(FIELDS) if each.name == name).kind is kind


def test_steps_are_named_by_their_address_and_ask_for_what_stands_in_it() -> None:
    step: Step = DESCRIBED.steps["lines-line_id"]
    assert [each.name for each in step.places] == ["line_id"]
    assert [each.name for each in DESCRIBED.filters] == ["form"]


@pytest.mark.parametrize(
    ("typed", "json"),
    [("12,50", 1250), ("1 250 000", 125_000_000), ("1\u00a0250,5", 125_050), ("12,505", "12,505"), ("ming", "ming")],
)
def test_money_is_typed_in_soum_and_sent_in_tiyin_and_nonsense_is_left_to_the_service(typed: str, json: object) -> None:
    raw = forms.read(FIELDS, FormData([("amount_tiyin", typed)]))
    assert forms.to_json(FIELDS, raw)["amount_tiyin"] == json


def test_moment_without_offset_is_of_tashkent() -> None:
    raw = forms.read(FIELDS, FormData([("starts_at", "2026-11-24T10:00")]))
    assert forms.to_json(FIELDS, raw)["starts_at"] == "2026-11-24T10:00:00+05:00"


def test_code_is_read_off_its_suggestion() -> None:
    raw = forms.read(
        FIELDS, FormData([("lines.0.profession", "7231 – Motor vehicle mechanics"), ("lines.0.seats", "3")])
    )
    assert forms.to_json(FIELDS, raw)["lines"] == [{"profession": "7231", "seats": 3}]


def test_number_of_a_partner_without_register_is_what_was_typed() -> None:
    pairs: Pairs = [("parties.0.category", "hokimiyat"), ("parties.0.ref.find", "H-17")]
    assert forms.to_json(FIELDS, forms.read(FIELDS, FormData(pairs)))["parties"] == [
        {"category": "hokimiyat", "ref": "H-17"}
    ]


def test_rows_come_and_go_and_keep_what_was_typed_in_the_others() -> None:
    raw = forms.read(FIELDS, FormData([("lines.0.seats", "1"), ("lines.1.seats", "2")]))
    raw = forms.change_rows(FIELDS, raw, "add:lines")
    assert [row["seats"] for row in raw["lines"]] == ["1", "2", ""]
    raw = forms.change_rows(FIELDS, raw, "remove:lines.0")
    assert [row["seats"] for row in raw["lines"]] == ["2", ""]
    assert [row["seats"] for row in forms.without_blank_rows(FIELDS, raw)["lines"]] == ["2"]


@pytest.mark.parametrize(
    "action", ["remove:lines.9", "remove:lines.x", "add:title", "add:", "remove:", "add:lines.0.seats"]
)
def test_button_of_no_row_changes_nothing(action: str) -> None:
    raw = forms.read(FIELDS, FormData([("lines.0.seats", "1")]))
    assert forms.change_rows(FIELDS, raw, action) == raw


def test_error_stands_beside_its_field_in_the_words_of_the_page() -> None:
    seats = Control("lines.0.seats", Kind.NUMBER, "Oʻrinlar")
    controls = [Control("lines", Kind.ROWS, "Davrlar", rows=[[seats]])]
    summary = mark_errors(
        controls,
        [
            {
                "field": "lines.0.seats",
                "rule": "missing",
                "message": "kerak",
                "remedy": "lines.0.seats maydonini qoʻshing.",
            },
            {"field": "lines", "rule": "too_short", "message": "kam"},
            {"field": "elsewhere", "rule": "x", "message": "boshqa"},
        ],
    )
    assert seats.errors == [{"message": "kerak", "remedy": "“Oʻrinlar” maydonini qoʻshing."}]
    assert [(each["message"], each["href"]) for each in summary] == [("kerak", "#f-lines-0-seats"), ("boshqa", "")]
