"""The convention's words as forms write them, what they mean here, and which of them can't be taken over."""

from collections.abc import Mapping
from typing import Final

from services.surveys.xlsform.convention import DIGITS, DIMENSION, GROUP, HINT, OWN, REVERSE, SCORE, SCORED, SCORES

YES: Final = frozenset({"yes", "true", "true()", "1"})
NO: Final = frozenset({"", "no", "false", "false()", "0"})
METADATA: Final = frozenset(
    {
        "start",
        "end",
        "today",
        "deviceid",
        "subscriberid",
        "simserial",
        "phonenumber",
        "username",
        "email",
        "audit",
        "start-geopoint",
        "background-audio",
    }
)
ALIASES: Final[Mapping[str, str]] = {
    "int": "integer",
    "string": "text",
    "begin group": "begin_group",
    "end group": "end_group",
    "begin repeat": "begin_repeat",
    "end repeat": "end_repeat",
    "select one": "select_one",
    "select one from": "select_one",
    "select1": "select_one",
    "select multiple": "select_multiple",
    "select multiple from": "select_multiple",
    "select all that apply": "select_multiple",
    "select all that apply from": "select_multiple",
}
COLUMNS: Final[Mapping[str, str]] = {
    "relevance": "relevant",
    "bind::relevant": "relevant",
    "bind::required": "required",
    "bind::constraint": "constraint",
    "bind::jr:constraintmsg": "constraint_message",
    "constraining_message": "constraint_message",
    "calculate": "calculation",
    "bind::calculate": "calculation",
    "list name": "list_name",
    "value": "name",
    "caption": "label",
    "control::appearance": "appearance",
    "body::appearance": "appearance",
    "readonly": "read_only",
}
TRANSLATED: Final = ("label", HINT, "constraint_message")
CHANGING: Final = ("choice_filter", "calculation", "repeat_count", "trigger", "read_only")
"""Columns that would make another question of it."""
SILENT: Final = ("type", "name", "required", "relevant", "constraint", "appearance", "parameters", "list_name")
REFUSED: Final[Mapping[str, str]] = {
    "calculate": "xlsform-calculate",
    **dict.fromkeys(("begin_repeat", "end_repeat", "begin loop", "end loop"), "xlsform-repeat"),
    **dict.fromkeys(
        ("geopoint", "geotrace", "geoshape", "image", "photo", "audio", "video", "file", "barcode"),
        "xlsform-identifying",
    ),
    **dict.fromkeys(
        (
            "time",
            "datetime",
            "rank",
            "acknowledge",
            "trigger",
            "hidden",
            "xml-external",
            "csv-external",
            "osm",
            "select_one_from_file",
            "select_multiple_from_file",
            "select_one_external",
        ),
        "xlsform-type-unsupported",
    ),
}
"""Types that can't be asked here, with the rule that says why and what instead."""

SETTING_OF: Final[Mapping[str, str]] = {
    "code": "form_id",
    "version": "version",
    "title": "form_title",
    GROUP: OWN + GROUP,
}
COLUMN_OF: Final[Mapping[str, str]] = {
    "code": "name",
    "text": "label",
    "title": "label",
    "prompt": "label",
    "min": "constraint",
    "max": "constraint",
    "max_choices": "constraint",
    "max_length": "constraint",
    "earliest": "constraint",
    "latest": "constraint",
    "kind": "type",
    "scale": "type",
    "options": "type",
    "dimension": OWN + DIMENSION,
    SCORED: OWN + SCORED,
    REVERSE: OWN + REVERSE,
    SCORES: OWN + SCORES,
    SCORE: OWN + SCORE,
    "digits": OWN + DIGITS,
}
