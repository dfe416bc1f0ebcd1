"""One request of HTTP, with receivers that are slow, broken, or not who they say."""

from __future__ import annotations

import datetime as dt
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from http.client import HTTPException
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from app.policies.address import target
from app.policies.post import Closed, Message, Post
from tests.receiver import Handler, Receiver, babbles, breaks, drips, hangs, redirects

HERE = [ip_address("127.0.0.1")]
MESSAGE = Message({"content-type": "application/json", "x-own": "1"}, b'{"a":1}')
NAME = "hooks.example"


def post(url: str, seconds: float = 10.0, trusted: Path | None = None) -> int:
    return Post(trusted).send(target(url), HERE, MESSAGE, time.monotonic() + seconds)


@pytest.mark.parametrize("status", [200, 204, 302, 404, 429, 500, 503])
def test_a_message_arrives_and_its_status_comes_back(status: int) -> None:
    with Receiver(status) as receiver:
        assert post(f"{receiver.url}?a=b") == status
    (received,) = receiver.received
    assert (received.path, received.body) == ("/hook?a=b", b'{"a":1}')
    assert received.headers["content-type"] == "application/json"
    assert received.headers["x-own"] == "1"


def test_the_receiver_is_called_by_its_name_and_reached_at_the_address() -> None:
    with Receiver() as receiver:
        assert post(f"http://{NAME}:{receiver.port}/") == 200
    assert receiver.received[0].headers["host"] == f"{NAME}:{receiver.port}"


def test_a_redirect_is_not_followed() -> None:
    with Receiver() as other, Receiver(redirects(other.url)) as receiver:
        assert post(receiver.url) == 307
    assert len(receiver.received) == 1
    assert other.received == []


@pytest.mark.parametrize("answer", [hangs, drips])
def test_an_answer_that_does_not_come_in_time_is_not_waited_for(answer: object) -> None:
    with Receiver(answer) as receiver:  # type: ignore[arg-type]  # one of those that take the connection
        began = time.monotonic()
        with pytest.raises(TimeoutError):
            post(receiver.url, 0.5)
        assert 0.4 < time.monotonic() - began < 3.0


def test_a_body_that_does_not_end_takes_no_more_than_its_time() -> None:
    def goes_on(handler: Handler) -> None:
        handler.connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nx")
        hangs(handler)

    with Receiver(goes_on) as receiver:
        began = time.monotonic()
        assert post(receiver.url, 2.0) == 200
        assert time.monotonic() - began < 4.5


@pytest.mark.parametrize("answer", [breaks, babbles])
def test_what_is_no_answer_is_an_error(answer: object) -> None:
    with Receiver(answer) as receiver, pytest.raises((OSError, HTTPException)):  # type: ignore[arg-type]  # as above
        post(receiver.url)


def test_a_refused_connection_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(ConnectionRefusedError):
        post(f"http://127.0.0.1:{port}/")


def test_a_second_address_is_tried_when_the_first_can_not_be_reached() -> None:
    with Receiver() as receiver:
        addresses = [ip_address("127.0.0.2"), *HERE]
        assert Post().send(target(receiver.url), addresses, MESSAGE, time.monotonic() + 10) == 200


def test_closing_breaks_off_what_is_under_way_at_once() -> None:
    with Receiver(hangs) as receiver:
        sender = Post()
        threading.Thread(target=lambda: (receiver.has(1), sender.close())).start()
        began = time.monotonic()
        with pytest.raises(Closed):
            sender.send(target(receiver.url), HERE, MESSAGE, time.monotonic() + 25)
        assert time.monotonic() - began < 20
        with pytest.raises(Closed):
            sender.send(target(receiver.url), HERE, MESSAGE, time.monotonic() + 25)
    assert len(receiver.received) == 1


@pytest.fixture(scope="module")
def certified(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a certificate that holds for `hooks.example` and vouches for itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, NAME)])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "certificate.pem"
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(key.private_bytes(*form) + certificate.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.fixture
def secure(certified: Path) -> Iterator[Receiver]:
    """Give a receiver that speaks TLS."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certified)
    receiver = Receiver()
    receiver.secure(context)
    with receiver:
        yield receiver


def test_a_receiver_that_is_who_it_says_is_sent_to(secure: Receiver, certified: Path) -> None:
    assert post(f"https://{NAME}:{secure.port}/", trusted=certified) == 200


def test_a_receiver_with_the_certificate_of_another_is_not(secure: Receiver, certified: Path) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        post(f"https://other.example:{secure.port}/", trusted=certified)
    assert secure.received == []


def test_a_receiver_for_whom_nobody_vouches_is_not_sent_to(secure: Receiver) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        post(f"https://{NAME}:{secure.port}/")
    assert secure.received == []


def test_a_receiver_that_does_not_speak_tls_is_not_waited_for() -> None:
    with Receiver() as receiver, pytest.raises(OSError):  # noqa: PT011 - of TLS, or of the connection
        post(f"https://{NAME}:{receiver.port}/", 1.0)
