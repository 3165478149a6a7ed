"""A file that cannot be read, by the rule it broke."""

from typing import NoReturn

from shared.errors import FieldError, InvalidInput


class UnreadableFile(InvalidInput):
    """The file as a whole is refused; `rule.<rule>` of the catalogue says why, the limit and what to do."""

    def __init__(self, rule: str = "not_a_table", **params: str | float) -> None:
        super().__init__(FieldError("file", rule, params))

    @property
    def rule(self) -> str:
        """The rule's code."""
        return self.errors[0].rule

    @property
    def limits(self) -> dict[str, str | int | float]:
        """The rule's parameters: the limit, and where it was passed."""
        return self.errors[0].params


def no_table(row: int = 1) -> NoReturn:
    """Raise for what is no table from this row on."""
    raise UnreadableFile("not_a_table", row=row)
