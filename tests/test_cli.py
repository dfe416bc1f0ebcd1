"""The command line as such: it starts fast, says what it can do, and refuses what it should."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from app import __version__
from app.cli import COMMANDS, address, cli, exits, times, up
from app.cli.failure import Failure
from app.cli.options import Duration
from app.settings import Settings
from scripts.containers import free_port

ROOT = Path(__file__).parents[1]
HEAVY = {"rich", "urllib3", "litestar", "docker", "eventsourcing", "msgspec", "yaml", "uvicorn", "sqlite_utils"}
PROGRAM = [sys.executable, "-m", "app"]


def test_the_version_is_told() -> None:
    """The command knows what it is."""
    result = CliRunner().invoke(cli, ["--version"], prog_name="jobledger")
    assert (result.exit_code, result.stdout) == (0, f"jobledger {__version__}\n")


def test_the_version_needs_nothing_heavy() -> None:
    """What no command has asked for is not imported: that is what makes it fast."""
    source = "import sys, json, app.cli; print(json.dumps(sorted({name.split('.')[0] for name in sys.modules})))"
    found = subprocess.run([sys.executable, "-c", source], cwd=ROOT, capture_output=True, check=True)
    assert not HEAVY & set(json.loads(found.stdout))


def test_the_version_imports_little() -> None:
    """A budget that does not depend on how busy the machine is: the number of modules."""
    source = "import sys; before = len(sys.modules); import app.cli; print(len(sys.modules) - before)"
    found = subprocess.run([sys.executable, "-c", source], cwd=ROOT, capture_output=True, check=True)
    assert int(found.stdout) < 150


def test_the_help_lists_every_command() -> None:
    """All commands are shown with a line each, though none is imported for that."""
    result = CliRunner().invoke(cli, ["--help"], prog_name="jobledger", terminal_width=120)
    shown = re.findall(r"^. ([a-z]+) +[A-Z]", result.stdout, re.MULTILINE)
    assert shown == list(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_has_its_module_and_its_help(name: str) -> None:
    """The list of commands and the modules agree."""
    command = import_module(f"app.cli.{name}").command
    assert isinstance(command, click.Command)
    assert command.name == name
    assert CliRunner().invoke(cli, [name, "--help"]).exit_code == 0


def test_an_unknown_command_is_a_mistake_of_usage() -> None:
    """Exit code 2, and the name is repeated."""
    result = CliRunner().invoke(cli, ["sumbit"])
    assert result.exit_code == exits.USAGE
    assert "sumbit" in result.stderr


@pytest.mark.parametrize("command", ["up", "serve"])
def test_only_this_machine_is_served_without_authentication(command: str, tmp_path: Path) -> None:
    """Whoever wants more is told what that means and how to have it."""
    result = CliRunner().invoke(cli, [command, "--host", "0.0.0.0", "--data", str(tmp_path / "new")])  # noqa: S104
    assert result.exit_code == exits.USAGE
    assert "there is no authentication yet" in result.stderr
    assert "--insecure" in result.stderr
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "localhost"])
def test_loopback_addresses_are_free_to_use(host: str) -> None:
    """They need no option."""
    address.check(host, free_port(), insecure=False)


def test_insecure_opens_every_address() -> None:
    """It is the user's own decision."""
    address.check("0.0.0.0", free_port(), insecure=True)  # noqa: S104 - that is the case


@pytest.mark.parametrize("command", ["up", "serve"])
def test_a_port_that_is_taken_is_named_with_the_option_to_change_it(command: str, tmp_path: Path) -> None:
    """No traceback, but the way out."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = CliRunner().invoke(cli, [command, "--port", str(port), "--data", str(tmp_path)])
    assert result.exit_code == exits.USAGE
    assert f"port {port} of 127.0.0.1 is taken" in result.stderr
    assert f"--port {port + 1}" in result.stderr


def test_an_address_of_another_machine_is_refused() -> None:
    """192.0.2.1 is nobody's."""
    with pytest.raises(Failure, match=r"192\.0\.2\.1 is not an address of this machine"):
        address.check("192.0.2.1", free_port(), insecure=True)


def test_a_name_that_nobody_knows_is_refused() -> None:
    """The name service's answer is told, not raised."""
    with pytest.raises(Failure, match=r"can not listen on nowhere\.invalid"):
        address.check("nowhere.invalid", 8000, insecure=True)


@pytest.mark.parametrize("command", ["up", "serve", "runner"])
def test_a_data_folder_that_cannot_be_is_refused(command: str, tmp_path: Path) -> None:
    """Nobody can make a folder inside a file."""
    (tmp_path / "file").touch()
    where = [] if command == "runner" else ["--port", str(free_port())]
    result = CliRunner().invoke(cli, [command, "--data", str(tmp_path / "file" / "data"), *where])
    assert result.exit_code == exits.USAGE
    assert "--data" in result.stderr


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8000"),
        ("0.0.0.0", "http://127.0.0.1:8000"),  # noqa: S104 - to be translated
        ("::", "http://[::1]:8000"),
        ("::1", "http://[::1]:8000"),
        ("localhost", "http://localhost:8000"),
    ],
)
def test_the_address_shown_can_be_opened_on_this_machine(host: str, url: str) -> None:
    """A browser can not open 0.0.0.0 everywhere."""
    assert address.url(host, 8000) == url


def test_up_starts_our_own_program_with_what_it_was_given(tmp_path: Path) -> None:
    """A folder named `app` where the user stands must not be taken for ours."""
    settings = Settings(
        data=tmp_path,
        port=8123,
        slots=3,
        queues=("default", "big"),
        name="one",
        runtime="process",
        bind_roots=(Path("/srv"),),
        image_ttl=0.0,
        secrets_kept=1.5,
        webhooks_allowed=("10.0.0.0/8", "hook.example"),
    )
    program = [sys.executable, "-P", "-m", "app"]
    common = ["--data", str(tmp_path), "--runtime", "process"]
    api, runner = up.commands(settings, insecure=True).values()
    assert api == [
        *[*program, "serve", *common, "--host", "127.0.0.1", "--port", "8123", "--insecure"],
        *["--allow-webhook", "10.0.0.0/8", "--allow-webhook", "hook.example", "--keep-secrets", "1.500000s"],
    ]
    assert runner == [
        *[*program, "runner", *common, "--name", "one", "--slots", "3", "--queue", "default", "--queue", "big"],
        *["--bind-root", "/srv", "--image-ttl", "0"],
    ]


@pytest.mark.parametrize(("text", "seconds"), [("0", 0.0), ("90m", 5400.0), ("1.500000s", 1.5)])
def test_a_duration_is_an_option_as_it_is_a_field(text: str, seconds: float) -> None:
    assert Duration().convert(text, None, None) == seconds


def test_a_duration_that_is_none_is_refused_with_the_reason() -> None:
    with pytest.raises(click.BadParameter, match="numbers with units"):
        Duration().convert("soon", None, None)


def test_the_program_is_found_from_anywhere(tmp_path: Path) -> None:
    """Also where another folder is named `app`, and where nothing is installed."""
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "__init__.py").write_text("raise SystemExit('the wrong one')")
    command = [sys.executable, "-P", "-m", "app", "--version"]
    found = subprocess.run(command, cwd=tmp_path, env=up.environment(), capture_output=True, check=True)
    assert found.stdout.decode() == f"jobledger {__version__}\n"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-1, "0.0s"), (0.84, "0.8s"), (12.9, "12s"), (185, "3m 05s"), (7_860, "2h 11m"), (4 * 86_400 + 11_000, "4d 3h")],
)
def test_spans_of_time_are_short(seconds: float, text: str) -> None:
    """They stand in narrow columns."""
    assert times.span(seconds) == text


def test_the_module_is_the_command_too() -> None:
    """`python -m app` works where nothing is installed."""
    found = subprocess.run([*PROGRAM, "--version"], cwd=ROOT, capture_output=True, check=True)
    assert found.stdout.decode() == f"jobledger {__version__}\n"
