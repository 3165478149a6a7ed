"""From answers to results and events: nothing is lost, nothing is shown too early."""

import asyncio
import json
from collections import Counter
from typing import Any

from sqlalchemy import text

from services.surveys.domain.campaigns import Campaign
from services.surveys.flusher import Flusher
from services.surveys.vault import Vault
from shared.contracts.surveys import RESPONSE_RECORDED, ResponseState
from tests.integration.surveys.support import MINE, K, Office, today
from tests.support.services import eventually


async def answered(office: Office, ratings: str, campaign: Campaign | None = None, **answers: Any) -> Campaign:
    """A campaign to which one respondent for each digit of `ratings` answered."""
    campaign = campaign or await office.campaign()
    codes = await office.codes(campaign, len(ratings))
    for code, rating in zip(codes, ratings, strict=True):
        assert (await office.respond(code, rating, **answers)).status_code == 303
    return campaign


async def results(office: Office, campaign: Campaign) -> dict[str, Any]:
    answer = await office.coordinator.get(f"/v1/campaigns/{campaign.id}/results")
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


async def arrived(office: Office, count: int) -> None:
    async def there() -> bool:
        return await office.count("response") == count

    await eventually(there, f"{count} responses")


async def events(office: Office) -> list[ResponseState]:
    found = await office.rows(
        f"select key, data, traceparent from event where type = '{RESPONSE_RECORDED.name}' order by shard, position"
    )
    assert all(row.traceparent is None and row.key == MINE for row in found)
    return [ResponseState.model_validate_json(row.data) for row in found]


async def test_results_show_index_dimensions_and_competences_once_k_have_answered(office: Office) -> None:
    before = {state.id for state in await events(office)}
    campaign = await answered(office, "1" + "5" * (K - 1))
    await arrived(office, K)
    found = await results(office, campaign)
    assert found["received"] == K
    assert found["index"]["count"] == K
    assert found["index"]["suppressed"] is False
    # One of the eighteen items is worded the other way round: scores 5.556 (1/18), and four times 94.444 (17/18).
    assert found["index"]["mean"] == 76.666
    assert found["index"]["spread"] == 39.752
    by_dimension = {each["dimension"]: each for each in found["dimensions"]}
    assert by_dimension["knowledge"]["mean"] == 80.0
    theory = next(each for each in found["competences"] if each["competence"] == "theory")
    assert theory["importance"]["mean"] == theory["satisfaction"]["mean"] == 80.0
    assert theory["gap"] == 0.0
    told = [state for state in await events(office) if state.id not in before]
    assert Counter(state.index_thousandths for state in told) == {5_556: 1, 94_444: K - 1}
    assert {state.campaign_id for state in told} == {campaign.id}
    assert {state.month for state in told} == {f"{today():%Y-%m}"}
    assert {row.id for row in await office.rows("select id from response")} == {state.id for state in told}


async def test_the_gap_says_how_much_more_is_required_than_acquired(office: Office) -> None:
    campaign = await answered(office, "3" * (K - 1), theory__importance="5", theory__satisfaction="1")
    await answered(office, "3", campaign, theory__importance="1", theory__satisfaction="5")
    await arrived(office, K)
    theory = next(each for each in (await results(office, campaign))["competences"] if each["competence"] == "theory")
    assert (theory["importance"]["mean"], theory["satisfaction"]["mean"], theory["gap"]) == (80.0, 20.0, 60.0)


async def test_a_mean_that_says_what_everybody_answered_is_not_shown(office: Office) -> None:
    campaign = await answered(office, "3" * K, theory__importance="5")
    await arrived(office, K)
    theory = next(each for each in (await results(office, campaign))["competences"] if each["competence"] == "theory")
    assert (theory["importance"]["mean"], theory["importance"]["suppressed"], theory["gap"]) == (None, True, None)
    assert theory["satisfaction"]["mean"] == 50.0


async def test_below_k_nothing_is_shown_nor_told_and_at_the_end_all_is_told(office: Office) -> None:
    campaign = await answered(office, "4" * (K - 1))
    before = len(await events(office))
    found = await results(office, campaign)
    assert found["received"] is None
    assert found["index"] == {"count": None, "mean": None, "spread": None, "interval": None, "suppressed": True}
    assert await office.count("response") == 0
    await office.coordinator.post(f"/v1/campaigns/{campaign.id}/close")
    await arrived(office, K - 1)
    assert len(await events(office)) == before + K - 1
    found = await results(office, campaign)
    assert found["index"]["suppressed"] is True
    assert found["received"] is None


async def test_results_move_in_steps_of_k_so_that_no_single_answer_can_be_watched(office: Office) -> None:
    campaign = await answered(office, "5" * K)
    await arrived(office, K)
    seen = {json.dumps((await results(office, campaign))["index"])}
    for received in range(1, K):
        await answered(office, "1", campaign)
        found = await results(office, campaign)
        seen.add(json.dumps(found["index"]))
        assert found["received"] == K + received
    assert len(seen) == 1
    await answered(office, "1", campaign)
    await arrived(office, 2 * K)
    index = (await results(office, campaign))["index"]
    assert (index["count"], index["mean"]) == (2 * K, 50.0)


async def test_a_measure_that_few_answered_stays_hidden_while_others_show(office: Office) -> None:
    campaign = await answered(office, "5" * (K - 1), theory__importance="unsure")
    await answered(office, "5", campaign)
    await arrived(office, K)
    found = await results(office, campaign)
    theory = next(each for each in found["competences"] if each["competence"] == "theory")
    assert theory["importance"]["suppressed"] is True
    assert theory["gap"] is None
    assert theory["satisfaction"]["count"] == K


async def test_what_was_spent_is_forgotten_once_a_campaign_is_over_and_its_answers_are_told(office: Office) -> None:
    campaign = await office.campaign()
    codes = await office.codes(campaign, K + 1)
    for code in codes[:K]:
        assert (await office.respond(code)).status_code == 303
    await arrived(office, K)
    assert await office.count("spent_mark") == K
    await office.coordinator.post(f"/v1/campaigns/{campaign.id}/close")

    async def forgotten() -> bool:
        return await office.count("spent_mark") == 0

    await eventually(forgotten, "no mark is left")
    assert (await results(office, campaign))["received"] == K
    for code in (codes[0], codes[K]):
        assert "The survey is over" in (await office.open_form(code)).text


async def test_two_flushers_at_once_move_everything_once(office: Office) -> None:
    campaign = await office.campaign()
    codes = await office.codes(campaign, 4 * K)
    pages = [(await office.open_form(code)).answer_all() for code in codes]
    parts = office.running.app.state.surveys
    progress = office.running.app.state.chassis.progress
    flushers = [Flusher(office.database, parts.vault, parts.library, progress, step=K) for _ in "ab"]
    before = len(await events(office))
    await asyncio.gather(
        *(office.submit(page) for page in pages), *(flusher.look() for _ in range(5) for flusher in flushers)
    )
    await office.coordinator.post(f"/v1/campaigns/{campaign.id}/close")
    await arrived(office, 4 * K)
    assert len(await events(office)) == before + 4 * K
    assert await office.count("staged_answer") == 0
    batches = [row[0] for row in await office.rows("select count(*) from response group by xmin")]
    assert sum(size < K for size in batches) <= 1, "only what was left at the end moved in smaller company"


async def test_answers_that_do_not_open_are_kept_and_are_no_company(office: Office) -> None:
    campaign = await office.campaign()
    vault = office.running.app.state.surveys.vault
    other = Vault("pepper-of-another-time")
    async with office.database.unit_of_work() as uow:
        for key_id, sealed in (
            (other.key_id, other.seal(campaign.id, {"day": "2026-01-01", "answers": {}})),
            (vault.key_id, b"damaged" * 10),
        ):
            await uow.session.execute(
                text("insert into staged_answer values (:campaign, :key_id, :sealed)"),
                {"campaign": campaign.id, "key_id": key_id, "sealed": sealed},
            )
    await answered(office, "4" * (K - 1), campaign)

    async def set_aside() -> bool:
        return await office.rows("select 1 from staged_answer where key_id = ''") != []

    await eventually(set_aside, "the damaged answer is set aside")
    assert await office.count("response") == 0
    await answered(office, "4", campaign)
    await arrived(office, K)
    assert await office.count("staged_answer") == 2
