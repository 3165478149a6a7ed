"""Numbers, places and periods of a report in words of one language."""

from dataclasses import dataclass
from datetime import date, datetime

from services.monitoring.directory import name_of
from services.monitoring.domain.formulas import Direction, Indicator, Unit
from services.monitoring.domain.periods import Period, PeriodKind
from services.monitoring.domain.territory import Place
from services.monitoring.domain.values import Value
from shared import i18n
from shared.clock import local_day
from shared.i18n import Catalogue, Lang

TIYIN_IN_SOM = 100
_SLIGHT = 5e-4
"""Changes below half a tenth of a per cent are none."""


@dataclass(frozen=True, slots=True)
class Words:
    """One language's words."""

    catalogue: Catalogue
    lang: Lang

    def say(self, key: str, **params: object) -> str:
        """A text of the report."""
        return self.catalogue.text(f"report.{key}", self.lang, **params)

    def name(self, indicator: Indicator) -> str:
        """An indicator's name."""
        return self.catalogue.text(f"indicator.{indicator.code}.name", self.lang)

    def place(self, place: Place) -> str:
        """A place's name."""
        return name_of(place, self.lang)

    def day(self, day: date) -> str:
        """A calendar day."""
        return i18n.day(day, self.lang)

    def moment(self, moment: datetime) -> str:
        """A moment in Tashkent, to the minute."""
        return i18n.moment(moment, self.lang, seconds=False)

    def number(self, amount: float, digits: int = 0) -> str:
        """A number."""
        return i18n.number(amount, self.lang, digits)

    def percent(self, ratio: float, digits: int = 1) -> str:
        """A ratio in per cent."""
        return i18n.percent(ratio, self.lang, digits)

    def period(self, period: Period) -> str:
        """A period as people call it."""
        year, month = divmod(period.first, 12)
        match period.kind:
            case PeriodKind.MONTH:
                return i18n.month(date(year, month + 1, 1), self.lang)
            case PeriodKind.QUARTER:
                return self.say("period.quarter", quarter=month // 3 + 1, year=year)
            case PeriodKind.FISCAL_YEAR:
                return self.say("period.fiscal_year", year=year)
            case PeriodKind.ACADEMIC_YEAR:
                return self.say("period.academic_year", years=f"{year}/{(year + 1) % 100:02d}")
        end = date(period.last // 12, period.last % 12 + 1, 1)
        return self.say("period.rolling_12", month=i18n.month(end, self.lang))

    def short(self, period: Period) -> str:
        """A period at the end of an axis."""
        year, month = divmod(period.first, 12)
        match period.kind:
            case PeriodKind.MONTH:
                return f"{month + 1:02d}.{year}"
            case PeriodKind.ROLLING_12:
                return f"{period.last % 12 + 1:02d}.{period.last // 12}"
            case PeriodKind.ACADEMIC_YEAR:
                return f"{year}/{(year + 1) % 100:02d}"
        return period.text

    def value(self, indicator: Indicator, value: Value | None, *, brief: bool = False) -> str:
        """A value; what is hidden and what is unknown are told apart."""
        if value is None:
            return self.say("unknown")
        if value.suppressed:
            return self.say("hidden_mark") if brief else self.say("hidden")
        return self.say("unknown") if value.value is None else self.amount(indicator, value.value)

    def amount(self, indicator: Indicator, amount: float) -> str:
        """An amount in the indicator's unit."""
        if indicator.unit is Unit.RATIO:
            return self.percent(amount)
        return self.number(amount, 1 if indicator.unit is Unit.SCORE else 0)

    def fraction(self, indicator: Indicator, value: Value) -> str:
        """What a ratio is divided from; of a mean the number of answers."""
        if value.suppressed or value.denominator is None:
            return ""
        if indicator.unit is Unit.SCORE:
            return self.say("answers", count=value.denominator)
        numerator, denominator = value.numerator or 0, value.denominator
        if indicator.code == "I3":  # income is counted in tiyin and read in so'm
            numerator, denominator = round(numerator / TIYIN_IN_SOM), round(denominator / TIYIN_IN_SOM)
        return f"{self.number(numerator)} / {self.number(denominator)}"

    def change(self, indicator: Indicator, now: Value, before: Value | None) -> tuple[str, str]:
        """How a value moved against the period before, and whether that is good, bad or neither."""
        if before is None or now.suppressed or before.suppressed or now.value is None or before.value is None:
            return "", ""
        moved = now.value - before.value
        ratio = indicator.unit is Unit.RATIO
        if abs(moved) < (_SLIGHT if ratio else 0.05):
            return self.say("unchanged"), ""
        sign = "+" if moved > 0 else "−"
        size = abs(moved)
        text = (
            self.say("points", value=self.number(size * 100, 1))
            if ratio
            else self.number(size, 1 if indicator.unit is Unit.SCORE else 0)
        )
        if indicator.direction is Direction.NONE:
            return f"{sign}{text}", ""
        return f"{sign}{text}", "good" if (moved > 0) == (indicator.direction is Direction.UP) else "bad"

    def today(self, moment: datetime) -> str:
        """The day of a moment in Tashkent."""
        return self.day(local_day(moment))
