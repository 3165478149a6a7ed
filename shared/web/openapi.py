"""The OpenAPI document as a stranger needs it: problems, headers of commands, sign-in, tags, one name per operation."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

DESCRIPTION = """
Part of Hamkor, the platform of partnerships between vocational schools and enterprises.

- **Sign-in**: `Authorization: Bearer <token>`, a token of the issuer or an API key (`hk_…`) with the scopes needed.
- **Commands** carry an `Idempotency-Key`, a new one for each new command; sent again under the same key they get the
  same answer and do nothing twice, for seven days. The answer's `Hamkor-Position` says where its events stand.
- **Changes** carry `If-Match` with the entry's `ETag`; 412 means that somebody else was first.
- **Errors** are problem details (RFC 9457, `application/problem+json`) in the language of `Accept-Language`
  (uz, uz-Cyrl, ru, en), each with a remedy; a 422 names every field. A refused transition says which are possible.
- **Lists** are keyset pages: send `next` as `after` until it is null.
"""
COMMANDS = ("post", "put", "patch", "delete")
METHODS = ("get", *COMMANDS)
PROBLEM = "Problem"
PROBLEM_SCHEMA: dict[str, Any] = {
    "type": "object",
    "title": "Problem",
    "description": "Problem details (RFC 9457) in the caller's language.",
    "required": ["type", "title", "status", "detail", "remedy", "instance"],
    "properties": {
        "type": {"type": "string", "description": "urn:hamkor:problem:<code>", "pattern": "^urn:hamkor:problem:"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "remedy": {"type": "string", "description": "what to do next"},
        "instance": {"type": "string"},
        "errors": {
            "type": "array",
            "description": "the fields that break a rule",
            "items": {
                "type": "object",
                "required": ["field", "rule", "message", "remedy"],
                "properties": {name: {"type": "string"} for name in ("field", "rule", "message", "remedy")},
            },
        },
    },
}
READING = {
    "401": ("unauthenticated", "No valid token or key."),
    "403": ("forbidden, scope-lacking", "The role, or the key's scopes, do not permit this."),
    "422": ("invalid-input", "Fields or parameters break a rule; each is named with its remedy."),
    "503": ("unavailable", "A part the request needs is down; try again, with the same Idempotency-Key."),
}
ONE = {"404": ("not-found", "There is no such entry within the caller's scope.")}
WRITING = {
    "400": ("bad-request, idempotency-key-required", "The body is not JSON, or the Idempotency-Key is missing."),
    "404": ("not-found", "What the command names does not exist within the caller's scope."),
    "409": ("wrong-state, already-exists, conflict", "The state does not allow this; what is possible is named."),
    "412": ("version-mismatch", "Somebody else changed the entry after it was read."),
    "413": ("too-large, too-many-rows", "The body exceeds the limit."),
    "428": ("version-required", "If-Match is missing."),
}
IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": True,
    "description": "a new one for each new command (a UUID, say), the same one when repeating it",
    "schema": {"type": "string", "minLength": 1, "maxLength": 200},
    "example": "0199c1e4-7a52-7c3e-9d0b-5f7a1c2b3d4e",
}
IF_MATCH = {
    "name": "If-Match",
    "in": "header",
    "required": False,
    "description": "the ETag of the state that the command is about; needed where 428 is answered without it",
    "schema": {"type": "string"},
    "example": '"3"',
}
LANGUAGE = {
    "name": "Accept-Language",
    "in": "header",
    "required": False,
    "description": "language of problems: uz, uz-Cyrl, ru, en",
    "schema": {"type": "string"},
    "example": "uz",
}
ETAG = {"description": "the entry's version, for If-Match", "schema": {"type": "string"}}
POSITION = {
    "description": "where the command's events stand in the stream: service/shard/position, comma-separated",
    "schema": {"type": "string"},
}
REPLAYED = {
    "description": "`true` on the stored answer of an earlier request with the same key",
    "schema": {"type": "string"},
}


def document(app: FastAPI) -> dict[str, Any]:
    """The document of an app; made once. Raises ValueError where two operations would have one name."""
    if app.openapi_schema is None:
        whole = get_openapi(title=app.title, version=app.version, description=DESCRIPTION.strip(), routes=app.routes)
        components = whole.setdefault("components", {})
        components.setdefault("schemas", {})[PROBLEM] = PROBLEM_SCHEMA
        components["securitySchemes"] = {
            "bearer": {
                "type": "http",
                "scheme": "bearer",
                "description": "a token of the issuer (JWT), or an API key `hk_…` of partners' /v1/api-keys",
            }
        }
        whole["security"] = [{"bearer": []}]
        names: set[str] = set()
        tags: set[str] = set()
        for path, item in whole["paths"].items():
            for method in METHODS:
                if (operation := item.get(method)) is not None:
                    _complete(operation, method, path)
                    if operation["operationId"] in names:
                        raise ValueError(f"two operations are called {operation['operationId']}")
                    names.add(operation["operationId"])
                    tags.update(operation.setdefault("tags", [path.split("/")[2]]))
        whole["tags"] = [
            {"name": tag, "description": f"Everything about {tag.replace('-', ' ')}."} for tag in sorted(tags)
        ]
        app.openapi_schema = whole
    return app.openapi_schema


def _complete(operation: dict[str, Any], method: str, path: str) -> None:
    """Add to one operation what every one of its kind has."""
    # FastAPI appends address and method to the function's name: the name alone is what a generated client calls.
    suffix = "".join(character if character.isalnum() else "_" for character in path) + f"_{method}"
    operation["operationId"] = operation["operationId"].removesuffix(suffix)
    operation.setdefault("description", operation.get("summary", ""))
    writes = method in COMMANDS
    parameters = operation.setdefault("parameters", [])
    parameters.append(LANGUAGE)
    if writes:
        parameters.append(IDEMPOTENCY_KEY)
        if "{" in path:
            parameters.append(IF_MATCH)
    responses = operation["responses"]
    for status, (codes, text) in {**READING, **(ONE if "{" in path else {}), **(WRITING if writes else {})}.items():
        responses[status] = {
            "description": f"{text} Types: {codes}.",
            "content": {"application/problem+json": {"schema": {"$ref": f"#/components/schemas/{PROBLEM}"}}},
        }
    for status, response in responses.items():
        if status.startswith("2"):
            headers = response.setdefault("headers", {})
            if writes:
                headers |= {"Hamkor-Position": POSITION, "Idempotency-Replayed": REPLAYED}
            if "{" in path or writes:
                headers["ETag"] = ETAG
