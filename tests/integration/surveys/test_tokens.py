"""From an invitation to an answer with a token, over HTTP, with the device's part in Python."""

import asyncio
from typing import Any

import httpx

from services.surveys.domain.tokens import PublicKey
from tests.integration.surveys.support import MINE, K, Office, Page
from tests.unit.surveys.device import Device


async def secrets_of(office: Office, campaign: str, count: int) -> list[str]:
    """Invite by a list and hand over."""
    for number in range(count):
        body = {"campaign_id": campaign, "respondent": "teacher", "ref": f"T-{number}"}
        answer = await office.coordinator.post("/v1/invitations", body)
        assert answer.status_code == 201, answer.text
    answer = await office.coordinator.post(f"/v1/campaigns/{campaign}/invitations/hand-over", {})
    assert answer.status_code == 201, answer.text
    return [str(item["code"]) for item in answer.json()["items"]]


async def device_for(office: Office, campaign: str, secret: str) -> Device:
    """A device that has opened the invitation's page."""
    page = Page.of(await office.running.http.get(f"{office.running.base}/s/i/{secret}", params={"lang": "en"}))
    assert page.response.status_code == 200
    assert "paper code instead" in page.text
    (form,) = [given for tag, given in page.tags if tag == "form"]
    assert form["data-campaign"] == campaign
    rows = await office.rows("select public from token_key where campaign_id = :id", id=campaign)
    key = PublicKey.read(bytes(rows[0][0]))
    assert int(form["data-modulus"] or "", 16) == key.modulus
    return Device(key, campaign)


async def redeem(office: Office, secret: str, blinded: bytes) -> httpx.Response:
    """Send a blinded message as the page's script does."""
    url = f"{office.running.base}/s/i/{secret}?lang=en"
    return await office.running.http.post(url, content=blinded.hex(), headers={"Content-Type": "text/plain"})


async def a_token(office: Office, campaign: str, secret: str) -> str:
    """What a device ends up with."""
    device = await device_for(office, campaign, secret)
    answer = await redeem(office, secret, device.blinded)
    assert answer.status_code == 200, answer.text
    return device.token(bytes.fromhex(answer.text)).hex()


async def answer_with(office: Office, campaign: str, token: str, **answers: Any) -> httpx.Response:
    """Fill in the form and send it with a token."""
    page = Page.of(await office.running.http.get(f"{office.running.base}/s/t/{campaign}", params={"lang": "en"}))
    assert page.response.status_code == 200
    return await office.submit(page.answer_all().answer(**answers), token=token)


async def test_one_invitation_gives_one_token_and_one_token_one_answer(office: Office) -> None:
    campaign = (await office.campaign("S5")).id
    one, two = await secrets_of(office, campaign, 2)
    device = await device_for(office, campaign, one)
    answers = await asyncio.gather(*(redeem(office, one, device.blinded) for _ in range(3)))
    assert [answer.status_code for answer in answers] == [200] * 3
    assert len({answer.text for answer in answers}) == 1, "the same message gets the same signature"
    another = await redeem(office, one, Device(device.key, campaign).blinded)
    assert another.status_code == 409
    assert "turned into a token before" in another.text
    token = device.token(bytes.fromhex(answers[0].text)).hex()
    sent = await asyncio.gather(*(answer_with(office, campaign, token) for _ in range(4)))
    assert sorted(answer.status_code for answer in sent) == [200, 200, 200, 303]
    done = next(answer for answer in sent if answer.status_code == 303)
    assert "Thank you!" in (await office.running.http.get(office.running.base + done.headers["location"])).text
    assert await office.count("staged_answer") == 1
    assert (await answer_with(office, campaign, await a_token(office, campaign, two))).status_code == 303
    assert await office.count("staged_answer") == 2


async def test_a_token_that_is_forged_or_of_another_campaign_opens_nothing(office: Office) -> None:
    mine, other = (await office.campaign("S5")).id, (await office.campaign("S5")).id
    secret, unused = await secrets_of(office, mine, 2)
    (elsewhere,) = await secrets_of(office, other, 1)
    token, foreign = await a_token(office, mine, secret), await a_token(office, other, elsewhere)
    swapped = foreign[:64] + token[64:]
    for wrong in ("", "zz", "00" * 288, foreign, swapped, token[:-2] + ("00" if token[-2:] != "00" else "11")):
        answer = await answer_with(office, mine, wrong)
        assert answer.status_code == 403, wrong
        assert "No valid token" in answer.text
    assert await office.count("staged_answer") == 0
    assert (await redeem(office, unused, b"\1" * 7)).status_code == 422
    assert (await answer_with(office, mine, await a_token(office, mine, unused))).status_code == 303, "still good"
    assert (await redeem(office, "AAAA-AAAA-AAAA", b"\1" * 256)).status_code == 404
    assert (await office.running.http.get(f"{office.running.base}/s/t/{MINE}")).status_code == 404


async def test_what_cannot_be_signed_tells_nothing_of_whether_an_invitation_was_taken_up(office: Office) -> None:
    campaign = (await office.campaign("S5")).id
    used, unused = await secrets_of(office, campaign, 2)
    device = await device_for(office, campaign, used)
    assert (await redeem(office, used, device.blinded)).status_code == 200
    size = len(device.blinded)
    for blinded in (b"", b"\0", b"\0" * size, b"\xff" * size, b"\1" * (size + 1)):
        answers = [await redeem(office, secret, blinded) for secret in (used, unused)]
        assert [answer.status_code for answer in answers] == [422, 422]
        assert answers[0].text == answers[1].text
    assert (await redeem(office, unused, (await device_for(office, campaign, unused)).blinded)).status_code == 200


async def test_the_key_cannot_be_had_from_the_database(office: Office) -> None:
    campaign = (await office.campaign("S5")).id
    (secret,) = await secrets_of(office, campaign, 1)
    await device_for(office, campaign, secret)
    (row,) = await office.rows("select public, sealed from token_key")
    key = office.running.app.state.surveys.vault.unseal_key(campaign, bytes(row.sealed))
    assert key[60:120] not in bytes(row.sealed)
    assert bytes(row.public) not in bytes(row.sealed)


async def test_the_token_stands_nowhere_and_the_answer_moves_on_like_any_other(office: Office) -> None:
    campaign = (await office.campaign("S5")).id
    secrets = await secrets_of(office, campaign, K)
    tokens = [await a_token(office, campaign, secret) for secret in secrets]
    for token in reversed(tokens):
        assert (await answer_with(office, campaign, token)).status_code == 303
    marks = {bytes(row[0]).hex() for row in await office.rows("select mark from spent_mark")}
    assert len(marks) == K
    assert not any(mark in token for token in tokens for mark in marks)
    await office.coordinator.post(f"/v1/campaigns/{campaign}/close")
    late = await office.running.http.get(f"{office.running.base}/s/t/{campaign}", params={"lang": "en"})
    assert late.status_code == 410
