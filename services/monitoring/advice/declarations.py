"""The rules as declared: what each looks at, when it fires, whose work it is – and what is wrong with a declaration."""

import re
import tomllib
from collections.abc import Mapping
from datetime import date
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from services.monitoring.comparison.peers import LEAST
from services.monitoring.domain.definitions import INDICATORS
from services.monitoring.domain.formulas import Indicator
from services.monitoring.domain.gates import GATES, STAGES
from services.monitoring.domain.measures import MEASURES, Kind
from services.monitoring.domain.periods import PeriodKind
from shared.contracts.monitoring import AdviceOwner, OfficeLevel, Severity
from shared.contracts.visits import Cause
from shared.i18n import Catalogue, Lang
from shared.settings import WrongSettings

FOLDER: Final = Path(__file__).parent / "rules"
TEXTS: Final = ("title", "action", "help")
ELEMENT: Final = re.compile(r"R(1[0-3]|[1-9])|V[1-6]|N[1-6]|I[1-5]|F[1-7]|S[1-5]|A[1-4]|B[1-3]")
CODE: Final = re.compile(r"[A-Z][A-Z0-9_]{1,39}")


class BadRules(WrongSettings):
    """A declaration is wrong; the message names the file, the line, what is wrong and what would be right."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


WHOLE: Final = "numerator"
"""What a part may be divided by that is no part: the numerator it is a part of."""
Share = Annotated[float, Field(ge=0, le=1)]
Probability = Annotated[float, Field(gt=0, lt=0.5)]
When = Literal["month", "quarter", "year", "last_year", "rolling", "window", "today"]
"""The last whole month or quarter, the present academic year, the last whole one, the last twelve whole months, so many
(`months`) of them, or now."""


class _Looking(_Part):
    """What every condition on an indicator says: which one, and at what time."""

    indicator: str
    period: When = "year"
    months: Annotated[int, Field(ge=1, le=24)] = 12

    @property
    def definition(self) -> Indicator:
        """The indicator looked at."""
        return INDICATORS[self.indicator]

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if self.indicator not in INDICATORS:
            raise ValueError(f"there is no indicator {self.indicator!r}; there are {', '.join(INDICATORS)}")
        wanted = KIND_OF_PERIOD.get(self.period)
        if wanted is not None and wanted not in self.definition.period_kinds:
            kinds = ", ".join(self.definition.period_kinds)
            raise ValueError(f"{self.indicator} has no values by {wanted}; it has them by {kinds}")
        if self.period == "window" and any(
            MEASURES[measure].kind is Kind.SET_FLOW or MEASURES[measure].stepped for measure in self.definition.core
        ):
            raise ValueError(f"{self.indicator} counts persons or answers, which no window can add up: name a period")
        return self

    def part_exists(self, *names: str | None) -> None:
        """Raise ValueError for a part that the indicator has not."""
        for name in names:
            if name and name not in self.definition.parts:
                known = ", ".join(self.definition.parts) or "none"
                raise ValueError(f"{self.indicator} has no part {name!r}; it has {known}")


KIND_OF_PERIOD: Final = {
    "month": PeriodKind.MONTH,
    "quarter": PeriodKind.QUARTER,
    "year": PeriodKind.ACADEMIC_YEAR,
    "last_year": PeriodKind.ACADEMIC_YEAR,
    "rolling": PeriodKind.ROLLING_12,
    "today": PeriodKind.MONTH,
}


class Threshold(_Looking):
    """The value – or its `part`, or `part` ÷ `of` – lies below or above a bound; `clear` is where it is well again.

    `of` is another part, or "numerator", the indicator's own.
    `least`: how large the denominator must be to say anything. `sure`: the whole 90 % interval of the ratio must lie
    beyond the bound, so that a small place is not blamed for chance.
    """

    kind: Literal["threshold"]
    below: float | None = None
    above: float | None = None
    clear: float
    part: str | None = None
    of: str | None = None
    least: Annotated[int, Field(ge=0)] = 1
    sure: bool = False

    @model_validator(mode="after")
    def _bounds(self) -> Self:
        if (self.below is None) == (self.above is None):
            raise ValueError("name one bound: either below or above")
        if self.below is not None and self.clear < self.below:
            raise ValueError("clear must not be lower than below, or it would fire and clear at once")
        if self.above is not None and self.clear > self.above:
            raise ValueError("clear must not be higher than above, or it would fire and clear at once")
        if self.of and not self.part:
            raise ValueError("of needs a part to divide")
        self.part_exists(self.part, self.of if self.of != WHOLE else None)
        return self


class Trend(_Looking):
    """The value has got worse by at least `change` (relative), and more than noise would do.

    `test`: `proportions` – the numerator counts some of the denominator (Fisher's exact test); `rates` – it may exceed
    it (exact test of two Poisson rates); `counts` – there is no denominator (the same with equal exposure); `steady` –
    the last `months` months go down one after another (Mann–Kendall). `against`: the period a year before, or the one
    before. `alpha` is the share of false alarms over all places of a level (Benjamini–Hochberg).
    """

    kind: Literal["trend"]
    test: Literal["proportions", "rates", "counts", "steady"]
    against: Literal["year_ago", "previous"] = "year_ago"
    change: Share = 0.1
    alpha: Probability = 0.05
    least: Annotated[int, Field(ge=0)] = 10

    @model_validator(mode="after")
    def _testable(self) -> Self:
        if self.test in ("proportions", "rates") and self.definition.denominator is None:
            raise ValueError(f"{self.indicator} has no denominator: test it as counts or steady")
        return self


class Peers(_Looking):
    """The value lies below the `quantile` of its peers – same kind, like size – and more below their median than noise.

    `clear` is the quantile from which on it is well again; `peers` how many there must be to compare with. Neither the
    lowest nor the highest of them is told.
    """

    kind: Literal["peers"]
    test: Literal["proportions", "rates", "counts"]
    quantile: Annotated[float, Field(ge=0.05, le=0.5)] = 0.1
    clear: Annotated[float, Field(ge=0.05, le=0.95)] = 0.25
    peers: Annotated[int, Field(ge=LEAST)] = LEAST
    alpha: Probability = 0.05
    least: Annotated[int, Field(ge=0)] = 10

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.clear < self.quantile:
            raise ValueError("clear must not be lower than quantile, or it would fire and clear at once")
        return self


class GateCondition(_Part):
    """A result of the method has lapsed; or is missing once the stage before it is reached; or will lapse soon.

    `lapsed`: fires when it lapsed. `wanted`: fires when it was never met and the stage before its own is reached.
    `soon`: fires when it is met and will not be at the end of so many months.
    """

    kind: Literal["gate"]
    gate: str
    lapsed: bool = False
    wanted: bool = False
    soon: Annotated[int, Field(ge=1, le=6)] | None = None

    @model_validator(mode="after")
    def _known(self) -> Self:
        if self.gate not in GATES:
            raise ValueError(f"there is no result {self.gate!r}; there are {', '.join(GATES)}")
        if not (self.lapsed or self.wanted or self.soon):
            raise ValueError("say when it fires: lapsed, wanted or soon")
        return self

    @property
    def indicator(self) -> str:
        """The share of institutions that meet it."""
        return self.gate

    @property
    def stage(self) -> int:
        """The stage it belongs to."""
        return next(stage for stage, gates in STAGES.items() if self.gate in gates)


class Missing(_Looking):
    """A report is missing, or too few have reported: the coverage – or the `part` – lies below the bound."""

    kind: Literal["missing"]
    below: float
    clear: float
    part: str | None = None

    @model_validator(mode="after")
    def _answerable(self) -> Self:
        self.part_exists(self.part)
        if not self.part and self.definition.coverage is None:
            raise ValueError(f"{self.indicator} has no coverage: name the part that counts its reports")
        if self.clear < self.below:
            raise ValueError("clear must not be lower than below, or it would fire and clear at once")
        return self


class Overdue(_Looking):
    """At least `count` of what was due in the last `months` is not done; clear when `clear` or fewer are left."""

    kind: Literal["overdue"]
    period: When = "window"
    count: Annotated[int, Field(ge=1)] = 1
    clear: Annotated[int, Field(ge=0)] = 0
    share: Share = 0.0

    @model_validator(mode="after")
    def _counts_done(self) -> Self:
        self.part_exists("done")
        if self.clear >= self.count:
            raise ValueError("clear must be less than count, or it would fire and clear at once")
        return self


class Recurring(_Looking):
    """These causes of problems came back at least `count` times, and were at least `share` of all that were named."""

    kind: Literal["cause"]
    indicator: str = "CAUSES"
    period: When = "window"
    causes: Annotated[tuple[Cause, ...], Field(min_length=1)]
    count: Annotated[int, Field(ge=2)] = 3
    clear: Annotated[int, Field(ge=0)] = 1
    share: Share = 0.0

    @model_validator(mode="after")
    def _counted(self) -> Self:
        self.part_exists(*(cause.value for cause in self.causes))
        if self.clear >= self.count:
            raise ValueError("clear must be less than count, or it would fire and clear at once")
        return self


Condition = Annotated[
    Threshold | Trend | Peers | GateCondition | Missing | Overdue | Recurring, Field(discriminator="kind")
]
SETTABLE: Final[dict[str, frozenset[str]]] = {
    "threshold": frozenset({"below", "above", "clear", "least"}),
    "trend": frozenset({"change", "alpha", "least"}),
    "peers": frozenset({"quantile", "clear", "peers", "alpha", "least"}),
    "gate": frozenset({"soon"}),
    "missing": frozenset({"below", "clear"}),
    "overdue": frozenset({"count", "clear", "share"}),
    "cause": frozenset({"count", "clear", "share"}),
}
"""What the ministry may change of a condition, level by level."""
TRIED_BY_ALL: Final[dict[str, frozenset[str]]] = SETTABLE | {"peers": frozenset({"alpha"})}
"""What others may try: who could choose the quantiles, or which places count, would read off values of places that they
do not see."""
WHOLE_LEVEL: Final = frozenset({"trend", "peers"})
"""Conditions that say nothing about one place without all others of its level."""
_CONDITION: TypeAdapter[Any] = TypeAdapter(Condition)

Season = Annotated[str, Field(pattern=r"^(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$")]


class Needs(_Looking):
    """What must be there for a rule to have anything to say at a place: at least so many of a part of an indicator."""

    period: When = "today"
    part: str
    at_least: Annotated[int, Field(ge=1)] = 1

    @model_validator(mode="after")
    def _there(self) -> Self:
        self.part_exists(self.part)
        return self


class Rule(_Part):
    """One rule. It looks from `begins` to `ends` if they are named: days of a year, over its end where that is earlier.

    `owner`: whose work it is at an institution; at an office it is the office's. `due_days`: how long they have.
    `expires_days`: how long after that it stays before it expires. `quiet_days`: how long it keeps quiet at a place
    after it was done or dismissed there. `follow_days`: when after that it is measured whether anything moved.
    """

    code: str
    element: str
    levels: Annotated[tuple[OfficeLevel, ...], Field(min_length=1)]
    severity: Severity
    owner: AdviceOwner = AdviceOwner.LEADERSHIP
    due_days: Annotated[int, Field(ge=1, le=365)]
    expires_days: Annotated[int, Field(ge=1, le=365)] = 60
    quiet_days: Annotated[int, Field(ge=0, le=730)] = 90
    follow_days: Annotated[int, Field(ge=1, le=365)] = 60
    enabled: bool = True
    begins: Season | None = None
    ends: Season | None = None
    needs: Needs | None = None
    condition: Condition
    at: dict[OfficeLevel, dict[str, float]] = {}

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if not CODE.fullmatch(self.code):
            raise ValueError("code must be capital letters, digits and _, as in I1_LOW")
        if not ELEMENT.fullmatch(self.element):
            raise ValueError(f"element {self.element!r} is none of the method's: R1–R13, V1–V6, N1–N6, I1–I5, F1–F7 …")
        if (self.begins is None) != (self.ends is None):
            raise ValueError("name both begins and ends, or neither")
        if isinstance(self.condition, GateCondition) and self.levels != (OfficeLevel.INSTITUTION,):
            raise ValueError("a gate stands at institutions: for offices take the share as a threshold")
        for level in self.at:
            if level not in self.levels:
                raise ValueError(f"at.{level}: the rule does not look at that level; add it to levels")
            self.condition_at(level)
        return self

    @property
    def indicator(self) -> str:
        """The indicator by which one sees whether anything moved."""
        return self.condition.indicator

    def condition_at(self, level: OfficeLevel, changed: Mapping[str, float] | None = None) -> Any:
        """The condition at a level, with what is changed there; raises ValueError for what can't be changed so."""
        values = {**self.at.get(level, {}), **(changed or {})}
        unknown = values.keys() - SETTABLE[self.condition.kind]
        if unknown:
            known = ", ".join(sorted(SETTABLE[self.condition.kind]))
            raise ValueError(f"{', '.join(sorted(unknown))} can't be set for a level; what can is {known}")
        return _CONDITION.validate_python({**self.condition.model_dump(exclude_none=True), **_whole(values)})

    def parameters(self, level: OfficeLevel, changed: Mapping[str, float] | None = None) -> dict[str, float]:
        """What is in force at a level of that which can be changed."""
        condition = self.condition_at(level, changed)
        found = {name: getattr(condition, name, None) for name in sorted(SETTABLE[self.condition.kind])}
        return {name: value for name, value in found.items() if value is not None}

    def in_season(self, day: date) -> bool:
        """Whether the rule looks on that day."""
        if self.begins is None or self.ends is None:
            return True
        now = f"{day:%m-%d}"
        if self.begins <= self.ends:
            return self.begins <= now <= self.ends
        return now >= self.begins or now <= self.ends


def _whole(values: Mapping[str, float]) -> dict[str, float]:
    """Numbers without a fraction as integers, as the conditions' counts want them."""
    return {name: int(value) if float(value).is_integer() else value for name, value in values.items()}


@cache
def rules() -> dict[str, Rule]:
    """The built-in rules by code, in the order of their files."""
    return load(FOLDER)


def load(folder: Path) -> dict[str, Rule]:
    """The rules of all files of a folder; raises BadRules with file, line and cure for the first that is wrong."""
    found: dict[str, Rule] = {}
    for path in sorted(folder.glob("*.toml")):
        for rule, line in _read(path):
            if rule.code in found:
                raise BadRules(
                    f"{path.name}, line {line}: the rule {rule.code} is declared twice; give it another code"
                )
            found[rule.code] = rule
    return found


def _read(path: Path) -> list[tuple[Rule, int]]:
    text = path.read_text(encoding="utf-8")
    try:
        told = tomllib.loads(text)
    except tomllib.TOMLDecodeError as problem:
        raise BadRules(f"{path.name}: this is not TOML: {problem}") from None
    if told.keys() - {"rule"} or not isinstance(told.get("rule", []), list):
        raise BadRules(
            f"{path.name}, line 1: only [[rule]] tables may stand here; remove {sorted(told.keys() - {'rule'})}"
        )
    lines = text.splitlines()
    begins = [number for number, line in enumerate(lines, 1) if line.strip() == "[[rule]]"]
    read = []
    for nth, each in enumerate(told.get("rule", [])):
        begin = begins[nth] if nth < len(begins) else 1
        end = begins[nth + 1] - 1 if nth + 1 < len(begins) else len(lines)
        try:
            read.append((Rule.model_validate(each), begin))
        except ValidationError as problem:
            fault = problem.errors()[0]
            where = [str(part) for part in fault["loc"] if str(part) not in _TAGS]
            line = _line_of(where, lines, begin, end)
            name = ".".join(where)
            said = fault["msg"].removeprefix("Value error, ")
            raise BadRules(
                f"{path.name}, line {line}: rule {each.get('code', '?')}{f', {name}' if name else ''}: {said}"
            ) from None
    return read


_TAGS: Final = frozenset(SETTABLE)


def _line_of(where: list[str], lines: list[str], begin: int, end: int) -> int:
    """The line of the named field within the rule's lines; the rule's first one where it is not written."""
    for name in reversed(where):
        for number in range(begin, end + 1):
            if re.match(rf"\s*{re.escape(name)}\s*=", lines[number - 1]):
                return number
    return begin


def check_texts(found: Mapping[str, Rule], catalogue: Catalogue) -> None:
    """Raise BadRules unless every rule can be told in every language."""
    for rule in found.values():
        for what in TEXTS:
            for lang in Lang:
                if what not in catalogue.section(f"advice.rule.{rule.code}", lang):
                    raise BadRules(
                        f"messages/advice.{lang}.toml has no {what} for the rule {rule.code}: "
                        f"add [advice.rule.{rule.code}] with title, action and help"
                    )


def rule_text(catalogue: Catalogue, code: str, what: str, lang: Lang) -> str:
    """A text of a rule; of one that is gone, its code."""
    key = f"advice.rule.{code}.{what}"
    return catalogue.text(key, lang) if catalogue.has(key) else code
