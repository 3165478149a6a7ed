"""Forms of these pages: fields cut to their length, the command's key, what stands in the way of an answer."""

from typing import Any, Final

from starlette.datastructures import FormData
from starlette.requests import Request

from services.portal.advice.asking import Answer
from shared.ids import new_id

MOST_FIELDS: Final = 200


async def form_of(request: Request) -> FormData:
    """The fields that were sent; files are none of them."""
    async with request.form(max_files=0, max_fields=MOST_FIELDS) as data:
        return data


def field_of(data: FormData, name: str, limit: int) -> str:
    """The text of a field, at most so long."""
    value = data.get(name, "")
    return value.strip()[:limit] if isinstance(value, str) else ""


def key_of(data: FormData) -> str:
    """The command's key, which the page was made with."""
    return field_of(data, "_key", 64) or new_id()


def problem_of(answer: Answer, step: str = "") -> dict[str, Any]:
    """What stands in the way, in the words of the service; at which `step` of the page."""
    errors = answer.body.get("errors")
    return {
        "title": answer.body.get("title", ""),
        "detail": answer.body.get("detail", ""),
        "remedy": answer.body.get("remedy", ""),
        "errors": errors if isinstance(errors, list) else [],
        "step": step,
    }
