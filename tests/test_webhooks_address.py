"""Where messages of webhooks may go."""

from __future__ import annotations

import socket
import time
from typing import Any

import pytest

from app.policies.address import Guard, Unacceptable, target

ANYWHERE = "0.0.0.0"  # noqa: S104 - an API that is served to others
PUBLIC = "93.184.216.34"


def addresses(url: str, *allowed: str, served: str = ANYWHERE) -> list[str]:
    return [str(address) for address in Guard(allowed, served).addresses(target(url), 5.0)]


def resolving(monkeypatch: pytest.MonkeyPatch, *found: str) -> None:
    """Let every name have these addresses."""
    answers: Any = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 80)) for address in found]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answers)


@pytest.mark.parametrize("host", [PUBLIC, "[2606:2800:220:1:248:1893:25c8:1946]", "[::ffff:93.184.216.34]"])
def test_a_public_address_is_allowed(host: str) -> None:
    assert addresses(f"http://{host}/")


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "0x7f.1", "2130706433", "017700000001", "127.1", "localhost"),
        *("0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "100.64.0.1", "169.254.169.254"),  # noqa: S104
        *("224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1"),
        *("[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:10.0.0.1]", "[::127.0.0.1]", "[fe80::1]", "[fd00::1]"),
        *("[2002:7f00:1::]", "[2002:a00:1::]", "[64:ff9b::7f00:1]", "[ff02::1]", "[2001:db8::1]", "[2001::1]"),
    ],
)
def test_other_addresses_are_not_however_they_are_written(host: str) -> None:
    with pytest.raises(Unacceptable, match=r"^address_not_allowed"):
        addresses(f"http://{host}/")


def test_all_addresses_of_a_name_must_be_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    resolving(monkeypatch, PUBLIC, "10.0.0.1")
    with pytest.raises(Unacceptable, match=r"10\.0\.0\.1"):
        addresses("https://rebinding.example/")


@pytest.mark.parametrize("allowed", ["10.0.0.0/8", "10.0.0.1", "10.0.0.77/8"])
def test_an_operator_can_allow_networks(allowed: str) -> None:
    assert addresses("http://10.0.0.1/", allowed) == ["10.0.0.1"]
    with pytest.raises(Unacceptable):
        addresses("http://192.168.0.1/", allowed)


def test_an_operator_can_allow_hosts_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    resolving(monkeypatch, "10.0.0.1")
    assert addresses("https://Hooks.Internal/", "hooks.internal") == ["10.0.0.1"]
    with pytest.raises(Unacceptable):
        addresses("https://evil.example/", "hooks.internal")


@pytest.mark.parametrize("served", ["127.0.0.1", "::1", "localhost"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]"])
def test_this_machine_is_allowed_where_the_api_is_served_to_it_alone(served: str, host: str) -> None:
    assert addresses(f"http://{host}/", served=served)
    with pytest.raises(Unacceptable):
        addresses("http://10.0.0.1/", served=served)


def test_a_name_is_resolved_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def answer(host: str, *_: object, **__: object) -> Any:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (PUBLIC, 80))]

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    assert addresses("http://example.com/") == [PUBLIC]
    assert asked == ["example.com"]


def test_a_name_that_takes_too_long_to_resolve_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: time.sleep(1.0) or [])
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        Guard((), ANYWHERE).addresses(target("http://slow.example/"), 0.05)
    assert time.monotonic() - began < 0.9


@pytest.mark.parametrize("host", ["nosuch.invalid", "a..b"])
def test_a_name_that_does_not_exist_is_an_error(host: str) -> None:
    with pytest.raises((OSError, Unacceptable)):
        addresses(f"http://{host}/")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://example.com", (False, "example.com", 80, "/", "example.com")),
        ("https://example.com/a?b=c#d", (True, "example.com", 443, "/a?b=c", "example.com")),
        ("HTTPS://Example.com.:8443?x", (True, "example.com", 8443, "/?x", "Example.com.:8443")),
        ("http://[::1]:81/", (False, "::1", 81, "/", "[::1]:81")),
    ],
)
def test_a_url_is_taken_apart(url: str, expected: tuple[Any, ...]) -> None:
    assert target(url) == expected


@pytest.mark.parametrize(
    "url",
    [
        *("", "://x", "http://", "http://%zz", "file:///etc/passwd", "gopher://x/", "http://user:pw@example.com/"),
        *("http://example.com:0/", "http://example.com:99999/", "http://a b/", "http://example.com/\r\nX: y"),
        *("http://good.example\\@evil.example/", "http://exämple.com/", "http://example.com/ä"),
    ],
)
def test_what_is_not_a_url_of_the_web_is_refused(url: str) -> None:
    with pytest.raises(Unacceptable, match=r"^url: "):
        target(url)
