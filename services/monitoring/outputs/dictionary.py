"""The data dictionary: every indicator as official statistics describe theirs, generated from the declarations."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from importlib.metadata import version
from typing import Any, Final

from services.monitoring.domain.definitions import INDICATORS, fed_by
from services.monitoring.domain.formulas import Indicator
from services.monitoring.domain.gates import EVIDENCE, GATES, Gate
from services.monitoring.domain.readings import (
    CONVERSION,
    GATE_KINDS,
    GROWTH,
    KIND_NAMES,
    SOURCE_OF_KIND,
    STANDING,
    VARIETY,
    Activity,
    Agreement,
    Income,
    Practice,
    Response,
    Visit,
)
from services.monitoring.domain.stage_indicators import EVIDENCE_KINDS
from services.monitoring.outputs.printing.language import language_of
from shared import i18n
from shared.clock import local_day
from shared.i18n import Catalogue, Lang

FIELDS: Final = (
    "code",
    "group",
    "name",
    "definition",
    "formula",
    "numerator",
    "denominator",
    "unit",
    "direction",
    "roll_up",
    "coverage",
    "breakdowns",
    "periods",
    "levels",
    "sources",
    "events",
    "privacy",
    "method",
    "standard",
    "since",
)
"""The fields of an entry in the order of a table's columns; their names stand in the catalogue under `dictionary`."""
_HEADED = ("code", "group", "name", "definition")
"""Fields that stand above the table of the others."""
_STANDARD = re.compile(r"(?:EQAVET|Cedefop|IAG-TVET).*")
_ELEMENT = re.compile(r"(?<=\.md )[A-Z]\d+(?:–[A-Z]?\d+)?")
_FAMILY = re.compile(r"([RS])\d+")
_WORK = frozenset((Activity.kind, *(each.kind for each in Practice.__subclasses__())))


@dataclass(frozen=True, slots=True)
class Part:
    """A breakdown, or a number shown beside the value."""

    code: str
    name: str


@dataclass(frozen=True, slots=True)
class Entry:
    """An indicator as the dictionary describes it, in words of one language; `events` are patterns of event types."""

    code: str
    group: str
    name: str
    definition: str
    formula: str
    numerator: str
    denominator: str
    unit: str
    direction: str
    roll_up: str
    coverage: str
    breakdowns: tuple[Part, ...]
    periods: tuple[str, ...]
    levels: str
    sources: tuple[str, ...]
    events: tuple[str, ...]
    privacy: str
    method: str
    standard: str
    since: str

    def shown(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)

    def row(self) -> list[str]:
        """One cell a field."""
        return [self.cell(name) for name in FIELDS]

    def cell(self, name: str) -> str:
        """A field as one text."""
        value = getattr(self, name)
        if isinstance(value, tuple):
            return "; ".join(each.name if isinstance(each, Part) else each for each in value)
        return str(value)


def entries(catalogue: Catalogue, lang: Lang, k: int, indicators: Iterable[Indicator] | None = None) -> list[Entry]:
    """The entries of these indicators, or of all, in the order of the declarations; `k` is the limit of privacy."""
    known = INDICATORS.values() if indicators is None else indicators
    return [_entry(indicator, _Words(catalogue, lang, k)) for indicator in known]


@dataclass(frozen=True, slots=True)
class _Words:
    catalogue: Catalogue
    lang: Lang
    k: int

    def __call__(self, key: str, **params: object) -> str:
        return self.catalogue.text(f"dictionary.{key}", self.lang, **params)

    def of(self, section: str, code: str, otherwise: str) -> str:
        """The text of a code, or of its family; where nobody has written one, what the declaration says."""
        for key in (code, family_of(code)):
            if self.catalogue.has(f"dictionary.{section}.{key}"):
                return self(f"{section}.{key}")
        return otherwise

    def indicator(self, code: str, what: str) -> str:
        return self.catalogue.text(f"indicator.{code}.{what}", self.lang)


def family_of(code: str) -> str:
    """R1–R13 are described alike, S1–S5 too."""
    match = _FAMILY.fullmatch(code)
    return match[1] if match else code


def part_name(catalogue: Catalogue, lang: Lang, part: str) -> str:
    """The name of a part of an indicator; the part itself where it has none."""
    key = f"dictionary.part.{part}"
    return catalogue.text(key, lang) if catalogue.has(key) else part


def group_name(catalogue: Catalogue, lang: Lang, group: str) -> str:
    """The name of a group of indicators; the group itself where it has none."""
    key = f"dictionary.group.{group}"
    return catalogue.text(key, lang) if catalogue.has(key) else group


def _entry(indicator: Indicator, words: _Words) -> Entry:
    code = indicator.code
    parts = [*indicator.parts, *(["spread"] if indicator.spread else [])]
    kinds = sorted(_kinds(indicator), key=lambda kind: KIND_NAMES[kind])
    standard = _STANDARD.search(indicator.source)
    privacy = indicator.privacy.value if indicator.privacy else "none"
    coverage = "none"
    if indicator.coverage:
        coverage = "persons" if indicator.coverage_of else "institutions"
    return Entry(
        code=code,
        group=group_name(words.catalogue, words.lang, indicator.group),
        name=words.indicator(code, "name"),
        definition=words.indicator(code, "help"),
        formula=words.indicator(code, "formula"),
        numerator=words.of("numerator", code, words.indicator(code, "formula")),
        denominator=words.of("denominator", code, "–") if indicator.denominator else "–",
        unit=words(f"unit.{indicator.unit}"),
        direction=words(f"direction.{indicator.direction}"),
        roll_up=words.of("roll_up", code, indicator.roll_up),
        coverage=words(f"coverage.{coverage}"),
        breakdowns=tuple(Part(part, part_name(words.catalogue, words.lang, part)) for part in parts),
        periods=tuple(words(f"period.{kind}") for kind in indicator.period_kinds),
        levels=words("levels.all"),
        sources=tuple(words.of("source", KIND_NAMES[kind], KIND_NAMES[kind]) for kind in kinds),
        events=tuple(f"hamkor.{SOURCE_OF_KIND[kind]}.{KIND_NAMES[kind]}.*" for kind in kinds),
        privacy=words(f"privacy.{privacy}", k=words.k, below=words.k - 1),
        method=element[0] if (element := _ELEMENT.search(indicator.source)) else "–",
        standard=standard[0] if standard else "–",
        since=indicator.since,
    )


def _kinds(indicator: Indicator) -> set[int]:
    """The kinds of aggregates that the value rests on in the end, as other services tell them."""
    gates = set(GATE_KINDS.values())
    # What is behind a value names what a derived aggregate rests on, but for single answers, which gates ask for, too.
    own = {kind for measure in indicator.measures for kind in fed_by(measure)}
    behind = {kind for window in indicator.lineage for kind in fed_by(window.measure)}
    found = behind | {kind for kind in own if kind in SOURCE_OF_KIND or kind in gates}
    while derived := found - SOURCE_OF_KIND.keys():
        found = found & SOURCE_OF_KIND.keys() | {kind for each in derived for kind in _rests_on(each)}
    return found


def _rests_on(derived: int) -> set[int]:
    """What a derived aggregate is a function of."""
    gates = {GATE_KINDS[code]: gate for code, gate in GATES.items()}
    if derived in gates:
        return _of_gate(gates[derived])
    return {
        VARIETY: {Agreement.kind, *_WORK},
        CONVERSION: {Visit.kind, Agreement.kind},
        GROWTH: {Income.kind},
        STANDING: {kind for gate in GATES.values() for kind in _of_gate(gate)},
    }[derived]


def _of_gate(gate: Gate) -> set[int]:
    found: set[int] = set()
    for name in (name for ask in gate.asks for name, _ in ask.alternatives):
        if name == "employers_answers":
            found.add(Response.kind)
        elif name.startswith("worked."):
            found |= _WORK
        else:
            found |= EVIDENCE_KINDS.get(EVIDENCE[name], frozenset())
    return found


def rows(told: Sequence[Entry], catalogue: Catalogue, lang: Lang) -> list[list[str]]:
    """The dictionary as a table, its header first."""
    return [[catalogue.text(f"dictionary.field.{name}", lang) for name in FIELDS], *(each.row() for each in told)]


def markdown(told: Sequence[Entry], catalogue: Catalogue, lang: Lang, k: int) -> str:
    """The dictionary as Markdown, an indicator a section."""
    say = _Words(catalogue, lang, k)
    lines = [f"# {say('title')}", "", say("lead"), "", say("k_note", k=k), ""]
    group = ""
    for entry in told:
        if entry.group != group:
            group = entry.group
            lines += [f"## {group}", ""]
        lines += [f"### {entry.code} – {entry.name}", "", entry.definition, ""]
        lines += [
            f"- **{say(f'field.{name}')}:** {entry.cell(name) or say('none')}" for name in FIELDS if name not in _HEADED
        ]
        lines.append("")
    return "\n".join(lines)


def page_content(told: Sequence[Entry], catalogue: Catalogue, lang: Lang, k: int, now: datetime) -> dict[str, Any]:
    """The dictionary as it is printed."""
    say = _Words(catalogue, lang, k)
    groups: dict[str, list[dict[str, Any]]] = {}
    for entry in told:
        fields = [(say(f"field.{name}"), entry.cell(name) or say("none")) for name in FIELDS if name not in _HEADED]
        groups.setdefault(entry.group, []).append(
            {"code": entry.code, "name": entry.name, "definition": entry.definition, "fields": fields}
        )
    footer = catalogue.text("report.footer", lang, day=i18n.day(local_day(now), lang), version=version("hamkor"))
    return {
        **language_of(lang),
        "title": say("title"),
        "lead": say("lead"),
        "notes": [say("count", count=len(told)), say("k_note", k=k)],
        "contents": say("contents"),
        "made_at": now.isoformat(),
        "footer": footer,
        "page": catalogue.text("report.page", lang),
        "groups": [{"name": name, "entries": members} for name, members in groups.items()],
    }
