"""The vault: secrets come back, are on the disk in no form that tells them, and leave it when they are forgotten."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from app import bootstrap
from app.settings import Settings
from app.vault import KEY, Vault, VaultUnusable

ROOT = Path(__file__).parent.parent
A, B = UUID(int=1), UUID(int=2)
VALUES = {"token": "hunter22", "empty": "", "many lines": "é\n" * 5_000}
BEGIN = """
import sys
from pathlib import Path
from uuid import UUID
from app.vault import Vault
vault = Vault(Path(sys.argv[1]))
vault.put(UUID(int=int(sys.argv[2])), {"token": "of " + sys.argv[2]})
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "secrets.db"


@pytest.fixture
def vault(path: Path) -> Iterator[Vault]:
    with closing(Vault(path)) as opened:
        yield opened


def key_of(path: Path) -> Path:
    return path.with_suffix(".key")


def sealed(path: Path) -> list[bytes]:
    """Return what the disk has of all secrets."""
    with closing(sqlite3.connect(path)) as connection:
        return [row[0] for row in connection.execute("SELECT sealed FROM secrets ORDER BY length(sealed)")]


def on_disk(path: Path) -> bytes:
    return b"".join(each.read_bytes() for each in path.parent.iterdir())


def backdate(path: Path) -> None:
    """Let an hour go by."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("UPDATE secrets SET put_at = put_at - 3601")


def test_the_secrets_of_a_job_come_back(vault: Vault) -> None:
    vault.put(A, VALUES)
    vault.put(B, {"token": "another"})
    assert (vault.values(A), vault.values(B)) == (VALUES, {"token": "another"})


def test_a_job_without_secrets_has_none(vault: Vault) -> None:
    vault.put(A, {})
    assert vault.values(A) == {}


def test_putting_again_changes_what_is_kept(vault: Vault) -> None:
    vault.put(A, {"token": "old", "other": "stays"})
    vault.put(A, {"token": "new"})
    assert vault.values(A) == {"token": "new", "other": "stays"}


def test_secrets_outlive_the_process(vault: Vault, path: Path) -> None:
    vault.put(A, VALUES)
    with closing(Vault(path)) as another:
        assert another.values(A) == VALUES


def test_the_disk_does_not_tell_a_secret(vault: Vault, path: Path) -> None:
    vault.put(A, {"token": "hunter22"})
    assert b"hunter22" not in on_disk(path)


def test_the_same_value_is_never_sealed_alike(vault: Vault, path: Path) -> None:
    vault.put(A, {"one": "hunter22", "two": "hunter22"})
    vault.put(B, {"one": "hunter22"})
    assert len({each[start:end] for each in sealed(path) for start, end in ((0, 12), (12, 99))}) == 6


@pytest.mark.parametrize("change", ["job = '0" + B.hex[1:] + "'", "name = 'other'", "sealed = zeroblob(40)"])
def test_a_sealed_value_is_good_at_its_place_alone(vault: Vault, path: Path, change: str) -> None:
    vault.put(A, {"token": "hunter22"})
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(f"UPDATE secrets SET {change}")  # noqa: S608 - the test's own words
    with pytest.raises(VaultUnusable, match=r"the secret \w+ of job \w+ can not be decrypted"):
        vault.values(B if change.startswith("job") else A)


def test_what_is_forgotten_is_gone_from_the_disk(vault: Vault, path: Path) -> None:
    vault.put(A, VALUES)
    vault.put(B, {"token": "another"})
    before = sealed(path)
    vault.forget(A)
    kept = sealed(path)
    assert vault.values(A) == {}
    assert vault.values(B) == {"token": "another"}
    left = on_disk(path)
    assert all(each in left for each in kept)
    pieces = [each[start : start + 64] for each in before if each not in kept for start in range(0, len(each), 64)]
    assert len(pieces) > 200
    assert not any(each in left for each in pieces)


def test_what_was_replaced_is_forgotten_as_well(vault: Vault, path: Path) -> None:
    vault.put(A, {"token": "old"})
    (old,) = sealed(path)
    vault.put(A, {"token": "new"})
    vault.forget(A)
    assert old not in on_disk(path)


def test_what_a_crash_left_between_two_steps_is_gone_at_the_next_start(vault: Vault, path: Path) -> None:
    vault.put(A, VALUES)
    (*_, last) = sealed(path)
    vault._connection.execute("DELETE FROM secrets")
    assert last[-64:] in on_disk(path)
    Vault(path).close()
    assert last[-64:] not in on_disk(path)


def test_forgetting_what_is_not_kept_is_no_error(vault: Vault) -> None:
    vault.forget(A)
    assert vault.values(A) == {}


def test_what_was_put_for_a_job_that_never_came_to_be_is_swept_away_after_an_hour(vault: Vault, path: Path) -> None:
    vault.put(A, VALUES)
    vault.put(B, VALUES)
    backdate(path)
    vault.sweep({A}.__contains__)
    assert (vault.values(A), vault.values(B)) == (VALUES, {})


def test_what_was_put_a_moment_ago_is_not_swept_away(vault: Vault, path: Path) -> None:
    vault.put(A, {"token": "old"})
    backdate(path)

    def exists(job: UUID) -> bool:
        vault.put(job, {"token": "new"})  # in the moment between the look and the sweep
        return False

    vault.sweep(exists)
    vault.sweep(exists)
    assert vault.values(A) == {"token": "new"}


def test_the_file_and_its_key_are_for_their_owner_alone(vault: Vault, path: Path) -> None:
    vault.put(A, VALUES)
    assert {each.name: each.stat().st_mode & 0o777 for each in path.parent.iterdir() if each.stat().st_size} == {
        f"secrets.{end}": 0o600 for end in ("db", "db-shm", "db-wal", "key")
    }
    assert len(key_of(path).read_bytes()) == KEY


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_key_that_others_can_reach_is_refused(vault: Vault, path: Path, mode: int) -> None:
    key_of(path).chmod(mode)
    with pytest.raises(VaultUnusable, match=r"secrets\.key can be read by others: run chmod 600"):
        Vault(path)
    assert vault.values(A) == {}


@pytest.mark.parametrize("content", [b"", b"x" * (KEY - 1), b"x" * (KEY + 1)])
def test_a_key_of_the_wrong_length_is_refused(path: Path, content: bytes) -> None:
    key_of(path).touch(0o600)
    key_of(path).write_bytes(content)
    with pytest.raises(VaultUnusable, match="does not hold a key of 32 bytes"):
        Vault(path)


def test_the_key_may_lie_elsewhere(vault: Vault, path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    vault.put(A, VALUES)
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "key"
    shutil.move(key_of(path), elsewhere)
    key_of(path).symlink_to(elsewhere)
    with closing(Vault(path)) as again:
        assert again.values(A) == VALUES


def test_a_missing_key_is_refused_while_there_are_secrets(vault: Vault, path: Path) -> None:
    vault.put(A, VALUES)
    key_of(path).unlink()
    with pytest.raises(VaultUnusable, match=r"secrets\.key is missing: without this key"):
        Vault(path)
    assert not key_of(path).exists()


def test_a_missing_key_is_made_anew_when_nothing_was_sealed_with_it(path: Path) -> None:
    Vault(path).close()
    key_of(path).unlink()
    with closing(Vault(path)) as again:
        again.put(A, VALUES)
        assert again.values(A) == VALUES


def test_another_key_opens_nothing(vault: Vault, path: Path) -> None:
    vault.put(A, VALUES)
    key_of(path).write_bytes(os.urandom(KEY))
    with closing(Vault(path)) as another, pytest.raises(VaultUnusable, match="or the key is another one"):
        another.values(A)


def test_processes_that_start_at_once_agree_on_one_key(path: Path) -> None:
    command = [sys.executable, "-c", BEGIN, path]
    processes = [subprocess.Popen([*command, str(number)], cwd=ROOT) for number in range(6)]
    assert [process.wait(60) for process in processes] == [0] * 6
    with closing(Vault(path)) as vault:
        assert [vault.values(UUID(int=number)) for number in range(6)] == [{"token": f"of {n}"} for n in range(6)]
    assert sorted(each.name for each in path.parent.iterdir()) == ["secrets.db", "secrets.key"]


def test_all_threads_of_a_process_may_use_it(vault: Vault) -> None:
    jobs = [uuid4() for _ in range(40)]

    def use(job: UUID) -> dict[str, str]:
        vault.put(job, {"token": job.hex})
        return vault.values(job)

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(use, jobs)) == [{"token": job.hex} for job in jobs]


def test_another_writer_is_waited_for(vault: Vault, path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        with ThreadPoolExecutor(1) as thread:
            put = thread.submit(vault.put, A, VALUES)
            with pytest.raises(TimeoutError):
                put.result(0.1)
            other.execute("COMMIT")
            put.result(10)
    assert vault.values(A) == VALUES


def test_a_process_that_uses_no_secret_does_not_load_the_cipher(path: Path) -> None:
    program = "import sys; from pathlib import Path; from app.vault import Vault; Vault(Path(sys.argv[1])).close()\n"
    check = "assert not any(name.startswith('cryptography') for name in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program + check, path], cwd=ROOT, check=False).returncode == 0


def test_a_value_that_was_put_is_on_the_disk_when_the_call_returns(vault: Vault) -> None:
    assert vault._connection.execute("PRAGMA synchronous").fetchone() == (2,)


def test_an_api_says_in_a_line_that_its_key_is_not_fit(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path)
    Vault(settings.secrets).close()
    key_of(settings.secrets).chmod(0o644)
    with pytest.raises(bootstrap.CannotServe, match="run chmod 600"):
        bootstrap._vault(settings)
