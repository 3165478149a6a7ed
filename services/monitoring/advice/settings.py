"""What the ministry has switched and changed of the rules, with every version there was."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from services.monitoring.advice.declarations import Rule, rules
from shared.contracts.monitoring import OfficeLevel
from shared.errors import FieldError, InvalidInput, NotFound, VersionMismatch
from shared.persistence.engine import raw_connection
from shared.persistence.unit_of_work import UnitOfWork

RULES_CHANNEL: Final = "hamkor_rules"
"""On which it is told that a rule's setting has changed."""

_IN_FORCE: Final = """
    select distinct on (rule) rule, version, enabled, levels::text, made_by, made_at from rule_setting
    order by rule, version desc
"""
_HISTORY: Final = """
    select rule, version, enabled, levels::text, made_by, made_at from rule_setting where rule = $1
    order by version desc limit 200
"""
_PUT: Final = """
    insert into rule_setting (rule, version, enabled, levels, made_by, made_at)
    values ($1, $2, $3, $4::text::jsonb, $5, $6) on conflict do nothing returning version
"""


class LevelSetting(BaseModel):
    """What is different at one level: whether the rule looks there, and other thresholds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    enabled: bool = True
    parameters: dict[str, float] = Field(default={}, max_length=10)


class PutSetting(BaseModel):
    """A rule switched on or off, and its thresholds level by level; what is not named is as the rule declares it."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        json_schema_extra={
            "examples": [{"enabled": True, "levels": {"district": {"parameters": {"below": 0.35, "clear": 0.4}}}}]
        },
    )

    enabled: bool = Field(description="whether the rule makes recommendations at all")
    levels: dict[OfficeLevel, LevelSetting] = {}


@dataclass(frozen=True, slots=True)
class Setting:
    """A rule's setting: version 0 is as declared."""

    rule: Rule
    version: int
    enabled: bool
    levels: Mapping[OfficeLevel, LevelSetting]
    made_by: str | None = None
    made_at: datetime | None = None

    def looks_at(self, level: OfficeLevel) -> bool:
        """Whether the rule makes recommendations at a level."""
        setting = self.levels.get(level)
        return self.enabled and level in self.rule.levels and (setting is None or setting.enabled)

    def condition(self, level: OfficeLevel) -> Any:
        """The condition in force at a level."""
        return self.rule.condition_at(level, self._changed(level))

    def parameters(self, level: OfficeLevel) -> dict[str, float]:
        """The thresholds in force at a level."""
        return self.rule.parameters(level, self._changed(level))

    def _changed(self, level: OfficeLevel) -> dict[str, float]:
        """What of the change the rule still knows: a rule declared anew may have lost a threshold or its order."""
        setting = self.levels.get(level)
        if setting is None:
            return {}
        try:
            self.rule.condition_at(level, setting.parameters)
        except ValueError:
            return {}
        return setting.parameters


async def in_force(connection: Any) -> dict[str, Setting]:
    """Every rule with its setting, in the rules' order."""
    changed = {row["rule"]: row for row in await connection.fetch(_IN_FORCE)}
    return {code: _setting(rule, changed.get(code)) for code, rule in rules().items()}


async def history(connection: Any, code: str) -> list[Setting]:
    """All versions of a rule's setting, the newest first; the last is as declared. Raises NotFound."""
    rule = rule_of(code)
    return [*(_setting(rule, row) for row in await connection.fetch(_HISTORY, code)), _setting(rule, None)]


def rule_of(code: str) -> Rule:
    """The rule of that code; raises NotFound."""
    found = rules().get(code)
    if found is None:
        raise NotFound(what="rule", id=code[:100])
    return found


def _setting(rule: Rule, row: Any) -> Setting:
    if row is None:
        return Setting(rule, 0, rule.enabled, {})
    levels = {
        OfficeLevel(level): LevelSetting.model_validate(each) for level, each in json.loads(row["levels"]).items()
    }
    return Setting(rule, row["version"], row["enabled"], levels, row["made_by"], row["made_at"])


def changed(rule: Rule, levels: Mapping[OfficeLevel, LevelSetting]) -> None:
    """Raise InvalidInput where the change can't be made: a level the rule does not know, a threshold it has not."""
    for level, setting in levels.items():
        if level not in rule.levels:
            known = ", ".join(rule.levels)
            raise InvalidInput(FieldError(f"levels.{level}", "rule_level", {"value": level, "known": known}))
        try:
            rule.condition_at(level, setting.parameters)
        except ValidationError as problem:
            fault = problem.errors()[0]
            why = fault["msg"].removeprefix("Value error, ")
            raise InvalidInput(FieldError(f"levels.{level}.parameters", "rule_parameter", {"why": why})) from None
        except ValueError as problem:
            why = str(problem)
            raise InvalidInput(FieldError(f"levels.{level}.parameters", "rule_parameter", {"why": why})) from None


async def put(uow: UnitOfWork, code: str, command: PutSetting) -> Setting:
    """A new version of a rule's setting, on top of the one the caller has read. Raises VersionMismatch."""
    rule = rule_of(code)
    changed(rule, command.levels)
    connection = await raw_connection(uow.session)
    current = (await in_force(connection))[code].version
    if uow.expected_version is not None and uow.expected_version != current:
        raise VersionMismatch(expected=uow.expected_version, found=current)
    levels = {level.value: setting.model_dump(mode="json") for level, setting in command.levels.items()}
    made_by = uow.principal.role.value
    row = (code, current + 1, command.enabled, json.dumps(levels), made_by, uow.now)
    if await connection.fetchval(_PUT, *row) is None:
        raise VersionMismatch(expected=current, found=current + 1)
    await connection.execute("select pg_notify($1, $2)", RULES_CHANNEL, code)
    return Setting(rule, current + 1, command.enabled, command.levels, made_by, uow.now)
