"""Which addresses may be called: public ones, private ones only where admitted, in whatever form they are written."""

from __future__ import annotations

import pytest

from broker.core.egress import permitted, ranges

LOOPBACK = ranges("127.0.0.0/8, ::1/128")


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8"])
def test_public_addresses(address: str) -> None:
    assert permitted(address, ())


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "::1",
        "::ffff:127.0.0.1",
        "10.0.0.1",
        "::ffff:10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",  # noqa: S104 - asked about, never served on
        "224.0.0.1",
        "255.255.255.255",
        "fe80::1%eth0",
        "fc00::1",
        "ff02::1",
        "::",
    ],
)
def test_addresses_of_networks_that_are_not_public(address: str) -> None:
    assert not permitted(address, ())


def test_an_admitted_range_and_no_other() -> None:
    assert permitted("127.0.0.1", LOOPBACK)
    assert permitted("::ffff:127.0.0.1", LOOPBACK)
    assert permitted("::1", LOOPBACK)
    assert not permitted("10.0.0.1", LOOPBACK)


def test_a_wrong_range_is_named() -> None:
    with pytest.raises(ValueError, match=r"10\.0\.0\.0/99"):
        ranges("127.0.0.0/8,10.0.0.0/99")
