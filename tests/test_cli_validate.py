"""`jobledger validate`: every problem with its place in the file, offline."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from app.cli import cli, exits, validate
from domain.errors import Invalid, Problem

GOOD = "name: hello\ntasks:\n  - name: greet\n    image: busybox\n"
BAD = "name: hello\ntasks:\n  - imge: busybox\n    name: greet\n"


@pytest.fixture(autouse=True)
def _no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every connection fail: nothing here may need one."""
    monkeypatch.setattr("socket.socket.connect", None)


def _run(*arguments: str, stdin: str | bytes = "") -> Result:
    return CliRunner().invoke(cli, ["validate", *arguments], input=stdin)


def _shown(monkeypatch: pytest.MonkeyPatch, body: bytes, *problems: Problem) -> list[str]:
    """Return what is shown of problems at hand."""

    def refuse(_body: bytes, _form: str, **_options: bool) -> None:
        raise Invalid(problems)

    monkeypatch.setattr(validate, "read_job", refuse)
    result = _run("-", stdin=body)
    assert result.exit_code == exits.USAGE
    return result.stdout.splitlines()


def test_good_files_are_ok(tmp_path: Path) -> None:
    """One line a file."""
    (tmp_path / "a.yaml").write_text(GOOD)
    (tmp_path / "b.json").write_text('{"name":"hello","tasks":[{"name":"greet","image":"busybox"}]}')
    names = [str(tmp_path / "a.yaml"), str(tmp_path / "b.json")]
    result = _run(*names)
    assert (result.exit_code, result.stdout.splitlines()) == (exits.DONE, [f"{name}: ok" for name in names])


def test_a_bad_file_is_shown_with_the_line_and_the_others_are_checked_too(tmp_path: Path) -> None:
    """The place is written as editors understand it."""
    (tmp_path / "bad.yaml").write_text(BAD)
    (tmp_path / "good.yaml").write_text(GOOD)
    result = _run(str(tmp_path / "bad.yaml"), str(tmp_path / "good.yaml"))
    assert result.exit_code == exits.USAGE
    lines = result.stdout.splitlines()
    at = next(number for number, line in enumerate(lines) if "imge" in line and ":3:5: " in line)
    assert lines[at + 1 : at + 3] == ["    3 |   - imge: busybox", "      |     ^"]
    assert lines[-1] == f"{tmp_path / 'good.yaml'}: ok"


def test_programs_get_json(tmp_path: Path) -> None:
    """With the fields that the API's errors have."""
    (tmp_path / "bad.yaml").write_text(BAD)
    result = _run(str(tmp_path / "bad.yaml"), "-o", "json")
    assert result.exit_code == exits.USAGE
    (checked,) = json.loads(result.stdout)
    assert checked["file"] == str(tmp_path / "bad.yaml")
    assert {"message", "path", "line", "column"} <= set(checked["errors"][0])


def test_stdin_is_a_file_too() -> None:
    """It is called <stdin>."""
    assert _run("-", stdin=GOOD).stdout == "<stdin>: ok\n"


def test_processes_need_no_image() -> None:
    """Containers do."""
    job = "name: hello\ntasks: [{name: greet, run: date}]\n"
    assert _run("-", stdin=job).exit_code == exits.USAGE
    assert _run("-", "--runtime", "process", stdin=job).exit_code == exits.DONE


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """So is a folder."""
    result = _run(str(tmp_path))
    assert result.exit_code == exits.USAGE
    assert result.stderr == f"error: can not read {tmp_path}: Is a directory\n"


def test_the_caret_stands_under_the_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also after a tab and after letters that take two columns."""
    lines = _shown(monkeypatch, "\t日本: x\r\n".encode(), Problem("no", path="a.b", line=1, column=5, hint="mend it"))
    assert lines == ["<stdin>:1:5: a.b: no", "    1 |  日本: x", "      |       ^", "    hint: mend it"]


def test_a_long_line_is_shown_in_part(monkeypatch: pytest.MonkeyPatch) -> None:
    """The part around the place."""
    lines = _shown(monkeypatch, b"a" * 1_000 + b"!" + b"a" * 100_000, Problem("no", line=1, column=1_001))
    assert max(map(len, lines)) < 120
    assert lines[1].index("!") == lines[2].index("^")


def test_a_problem_without_a_place_has_a_line_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the file as a whole, or past its end."""
    assert _shown(monkeypatch, b"", Problem("is empty")) == ["<stdin>: is empty"]
    assert _shown(monkeypatch, b"a", Problem("ends too early", line=9, column=1)) == ["<stdin>:9:1: ends too early"]


def test_what_a_file_holds_cannot_act_on_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Control characters and broken UTF-8 are shown, not obeyed."""
    shown = "\n".join(_shown(monkeypatch, b"\x1b[2J\xff: 1", Problem("\x1b[2J: no", path="\x07", line=1, column=1)))
    assert "\x1b" not in shown
    assert "\x07" not in shown


def test_brackets_are_no_markup(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is in brackets is shown as it is."""
    assert _shown(monkeypatch, b"", Problem("[red]no[/red] :smile:")) == ["<stdin>: [red]no[/red] :smile:"]
