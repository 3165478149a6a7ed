"""Guessing codes, on a service of its own: the brake is common to all who type codes."""

from collections.abc import Callable
from typing import Any

from tests.integration.surveys.support import Office


async def test_guessing_codes_is_slowed_without_shutting_out_right_ones(
    neighbourhood: Callable[..., Any], office: Office
) -> None:
    (code,) = await office.codes(await office.campaign(), 1)
    async with neighbourhood("surveys") as near:
        pepper = {"SURVEYS_CODE_PEPPER": "pepper-of-the-tests-of-surveys"}
        async with near.service("surveys", SURVEYS_DATABASE_URL=office.url, **pepper) as attacked:
            wrong = attacked.app.state.surveys.vault.codes("never issued", "key", 70)
            answers = [await office.running.http.get(f"{attacked.base}/s/{each}") for each in wrong]
            assert answers[0].status_code == 404
            assert answers[-1].status_code == 429
            assert answers[-1].headers["retry-after"] == "60"
            right = await office.running.http.get(f"{attacked.base}/s/{code}")
            assert right.status_code == 200
