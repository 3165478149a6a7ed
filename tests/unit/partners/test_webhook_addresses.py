"""Webhooks reach the public internet and nothing else, whatever an address looks like."""

from ipaddress import ip_address

import pytest

from services.partners.webhooks.addresses import Reachable


@pytest.mark.parametrize(
    "address",
    [
        *("10.0.0.1", "127.0.0.1", "169.254.169.254", "100.64.0.1", "192.168.1.1", "224.0.0.1", "0.0.0.0"),
        *("::1", "fe80::1", "fc00::1", "ff02::1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::", "2001:db8::1"),
        *("fec0::1", "feff::1", "5f00::1", "3fff::1", "::ffff:0:a00:1", "4000::1"),
    ],
)
def test_what_is_not_public_is_refused(address: str) -> None:
    assert not Reachable().admits(ip_address(address))


@pytest.mark.parametrize("address", ["93.184.215.14", "2a00:1450:4001:81b::200e", "2606:4700::1111"])
def test_what_is_public_is_admitted(address: str) -> None:
    assert Reachable().admits(ip_address(address))


def test_this_machine_is_admitted_where_one_develops() -> None:
    assert Reachable(loopback=True).admits(ip_address("::1"))
    assert not Reachable(loopback=True).admits(ip_address("10.0.0.1"))
