"""Images from a registry that asks who wants them."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from docker.auth import INDEX_URL

from app.runner import credentials as module
from app.runner.credentials import credentials
from app.runner.engine import Engine, EngineRefusal
from app.runner.image_keeper import ImageKeeper
from app.runner.images import Audience, Images
from app.runner.signals import Signals
from domain.definition import Registry as Given
from tests.waiting import until

if TYPE_CHECKING:
    from tests.registry import Registry


@pytest.fixture
def connected(docker_host: str) -> Iterator[Engine]:
    made = Engine(docker_host)
    made.connect()
    yield made
    made.close()


class Account:
    """The account that the runner runs as, with its Docker client's configuration."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def knows(self, **document: Any) -> None:
        (self.home / "config.json").write_text(json.dumps(document))

    def has_helper(self, name: str, script: str) -> None:
        program = self.home / f"docker-credential-{name}"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)


@pytest.fixture
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Account:
    home = tmp_path / "docker"
    home.mkdir()
    monkeypatch.setenv("DOCKER_CONFIG", str(home))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(home), prepend=":")
    return Account(home)


def login(name: str = "ann") -> dict[str, str]:
    return {"auth": base64.b64encode(f"{name}:secret of {name}".encode()).decode()}


def known(address: str, name: str = "ann") -> dict[str, str]:
    return {"username": name, "password": f"secret of {name}", "serveraddress": address}


def given(name: str) -> Given:
    return Given(username=name, password=f"secret of {name}")


def pull(engine: Engine, reference: str, as_whom: dict[str, str]) -> list[Any]:
    return list(engine.pull(reference, as_whom))


def test_who_knows_the_password_gets_the_image(registry: Registry, connected: Engine) -> None:
    reference = registry.offer()
    pull(connected, reference, registry.credentials)
    assert registry.has(reference)
    connected.remove_image(reference)


@pytest.mark.parametrize(
    ("wrong", "because"),
    [({"password": "guessed"}, "unauthorized: authentication required"), ({"username": "bob"}, "unauthorized")],
    ids=["password", "name"],
)
def test_who_does_not_is_told_so(registry: Registry, connected: Engine, wrong: dict[str, str], because: str) -> None:
    with pytest.raises(EngineRefusal, match=because):
        pull(connected, registry.offer(), registry.credentials | wrong)


def test_nobody_gets_nothing_whoever_was_there_before(registry: Registry, connected: Engine) -> None:
    reference = registry.offer()
    pull(connected, reference, registry.credentials)
    connected.remove_image(reference)
    with pytest.raises(EngineRefusal, match="no basic auth credentials"):
        pull(connected, reference, {})


def test_an_image_that_is_not_there_is_said_to_be_unknown(registry: Registry, connected: Engine) -> None:
    for absent in (f"{registry.offer()}.2", f"{registry.address}/absent:1"):
        with pytest.raises(EngineRefusal, match="manifest unknown"):
            pull(connected, absent, registry.credentials)


class Turnstile(Engine):
    """An Engine that begins to pull when it is told to."""

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.connect()
        self.pulls = 0
        self.go_on = threading.Event()

    def pull(self, *given: Any) -> Iterator[dict[str, Any]]:
        self.pulls += 1
        assert self.go_on.wait(30)
        return super().pull(*given)


def test_one_pull_serves_all_that_wait(registry: Registry, docker_host: str, tmp_path: Path) -> None:
    reference = registry.offer()
    said: list[str] = []
    with closing(Turnstile(docker_host)) as engine, ThreadPoolExecutor(5) as attempts:
        images = Images(engine, ImageKeeper(engine, tmp_path / "images.json", 0))
        for number in range(5):
            audience = Audience(str(number), said.append, Signals())
            attempts.submit(images.fetch, reference, registry.credentials, audience)
        until(lambda: said.count(f"pulling {reference}") == 5)
        engine.go_on.set()
        attempts.shutdown()
        assert said.count(f"pulled {reference}") == 5
        assert engine.pulls == 1
        engine.remove_image(reference)


def test_what_the_account_knows_opens_the_registry(registry: Registry, connected: Engine, account: Account) -> None:
    name_and_password = "{username}:{password}".format_map(registry.credentials)
    account.knows(auths={registry.address: {"auth": base64.b64encode(name_and_password.encode()).decode()}})
    reference = registry.offer()
    pull(connected, reference, dict(credentials(reference, None)))
    assert registry.has(reference)
    connected.remove_image(reference)


def test_what_a_helper_knows_opens_the_registry(registry: Registry, connected: Engine, account: Account) -> None:
    answer = json.dumps({"Username": registry.credentials["username"], "Secret": registry.credentials["password"]})
    account.has_helper("chest", f"""test "$(cat)" = {registry.address} && echo '{answer}'""")
    account.knows(credHelpers={registry.address: "chest"})
    reference = registry.offer()
    pull(connected, reference, dict(credentials(reference, None)))
    assert registry.has(reference)
    connected.remove_image(reference)


def test_what_a_task_says_goes_before_what_the_account_knows(account: Account) -> None:
    account.knows(auths={"example.com": login("ann")})
    assert credentials("example.com/app:1", given("bob")) == known("example.com", "bob")


def test_a_task_that_says_nothing_leaves_it_to_the_account(account: Account) -> None:
    account.knows(auths={"example.com": login()})
    assert credentials("example.com/app:1", Given()) == known("example.com")


@pytest.mark.parametrize("image", ["busybox", "busybox:1", "team/app", "docker.io/busybox", "docker.io/team/app:1"])
def test_images_without_a_registry_come_from_docker_hub(account: Account, image: str) -> None:
    account.knows(auths={INDEX_URL: login(), "example.com": login("other")})
    assert credentials(image, None) == known(INDEX_URL)
    assert credentials(image, given("bob")) == known(INDEX_URL, "bob")


@pytest.mark.parametrize("image", ["other.example.com/app", "example.com:5000/app", "localhost/app", "example/app"])
def test_one_registry_is_not_told_the_password_of_another(account: Account, image: str) -> None:
    account.knows(auths={"example.com": login()})
    assert credentials(image, None) == {}


def test_a_store_of_the_account_is_asked_first(account: Account) -> None:
    account.has_helper("vault", """echo '{"Username": "ann", "Secret": "of the vault"}'""")
    account.knows(credsStore="vault", auths={"example.com": {}})
    found = credentials("example.com/app", None)
    assert found == {"Username": "ann", "Password": "of the vault", "ServerAddress": "example.com"}


def test_a_token_takes_the_place_of_a_password(account: Account) -> None:
    account.knows(auths={"example.com": {"identitytoken": "of ann"}})
    assert credentials("example.com/app", None) == {"IdentityToken": "of ann"}


def test_who_logs_in_later_is_known(account: Account) -> None:
    assert credentials("example.com/app", None) == {}
    account.knows(auths={"example.com": login()})
    assert credentials("example.com/app", None) == known("example.com")


@pytest.mark.parametrize(
    "document",
    [
        {"auths": {"example.com": {"auth": "?"}}},
        {"auths": {"example.com": {"auth": 7}}},
        {"auths": {"example.com": 7}},
        [],
    ],
    ids=["no base64", "no text", "no entry", "no object"],
)
def test_a_broken_configuration_is_reported_and_gets_in_nobodys_way(
    account: Account, caplog: pytest.LogCaptureFixture, document: Any
) -> None:
    (account.home / "config.json").write_text(json.dumps(document))
    assert credentials("example.com/app", None) == {}
    assert "tells no password for example.com" in caplog.text


def test_a_helper_that_fails_is_reported_and_gets_in_nobodys_way(
    account: Account, caplog: pytest.LogCaptureFixture
) -> None:
    account.has_helper("broken", "echo locked; exit 1")
    account.knows(credsStore="broken")
    assert credentials("example.com/app", None) == {}
    assert "locked" in caplog.text


def test_a_helper_that_hangs_is_not_waited_for(
    account: Account, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.1)
    account.has_helper("asking", "while ! test -e ${0%/*}/go; do sleep 0.1; done")
    account.knows(credsStore="asking")
    try:
        assert credentials("example.com/app", None) == {}
    finally:
        (account.home / "go").touch()
    assert "told no password" in caplog.text
