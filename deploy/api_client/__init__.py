"""A small client of the public API: what the importer and the demo, like any other client, go through.

    async with api_client(url) as api:
        answer = await api.command("region:1708", "POST", "partners", "/v1/enterprises", body)

A command is sent again, with the same Idempotency-Key, until it is answered: however often it arrives, it takes
effect once. A refusal is raised as `Problem`, a platform that stays silent as `Unreachable`.
"""

from deploy.api_client.answers import Answer, FieldProblem, Problem, Unreachable
from deploy.api_client.client import Api, Patience, api_client, portal_door
from deploy.api_client.tokens import DEMO_PASSWORD, PasswordTokens, Tokens, fixed_token

__all__ = [
    "DEMO_PASSWORD",
    "Answer",
    "Api",
    "FieldProblem",
    "PasswordTokens",
    "Patience",
    "Problem",
    "Tokens",
    "Unreachable",
    "api_client",
    "fixed_token",
    "portal_door",
]
