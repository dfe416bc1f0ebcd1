"""Secrets in what programs print: hidden as a whole text would have them hidden, however the text is cut."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.redaction import Redactor
from domain.secrets import needles, redact

KEY = "-----BEGIN KEY-----\nMIIEvQIBADANBgkq\nhkiG9w0B\nAQ==\n-----END KEY-----\n"
SECRETS = st.lists(st.text("ab", min_size=4, max_size=7) | st.text("aé\n", min_size=4, max_size=9), max_size=4)
PRINTED = st.text("abcé\n", max_size=50)


def pieces(redactor: Redactor, printed: bytes, cuts: Sequence[int]) -> list[bytes]:
    """Feed a text in pieces, and return what came out of each, and at last."""
    ends = sorted({0, len(printed), *(min(cut, len(printed)) for cut in cuts)})
    return [*(redactor.feed(printed[start:end]) for start, end in pairwise(ends)), redactor.flush()]


def marked(printed: bytes, sought: Sequence[bytes]) -> bytes:
    """Hide what is sought in a whole text, byte by byte."""
    starts = {(at, at + len(each)) for each in sought for at in range(len(printed)) if printed.startswith(each, at)}
    shown, at = b"", 0
    for start, end in sorted(starts):
        if start >= at:
            shown += printed[at:start] + b"[REDACTED]"
        at = max(at, end)
    return shown + printed[at:]


@given(secrets=SECRETS, printed=PRINTED, cuts=st.lists(st.integers(0, 100), max_size=12))
def test_it_makes_no_difference_where_a_text_is_cut(secrets: list[str], printed: str, cuts: list[int]) -> None:
    shown = b"".join(pieces(Redactor(secrets), printed.encode(), cuts))
    assert shown == marked(printed.encode(), needles(secrets))
    assert shown.decode() == redact(printed, secrets)


@given(secrets=SECRETS, printed=PRINTED)
def test_nothing_that_is_sought_is_left(secrets: list[str], printed: str) -> None:
    shown = b"".join(pieces(Redactor(secrets), printed.encode(), range(100)))
    assert not any(needle in part for needle in needles(secrets) for part in shown.split(b"[REDACTED]"))


@given(secrets=SECRETS, printed=PRINTED, cut=st.integers(0, 100))
def test_no_more_is_held_back_than_a_secret_begins_with(secrets: list[str], printed: str, cut: int) -> None:
    redactor = Redactor(secrets)
    redactor.feed(printed.encode()[:cut])
    assert not redactor._held or any(
        needle.startswith(redactor._held) and needle != redactor._held for needle in needles(secrets)
    )


def test_a_secret_is_found_byte_by_byte() -> None:
    redactor = Redactor(["pässwörd"])
    printed = "my pässwörd!".encode()
    assert b"".join(pieces(redactor, printed, range(20))) == b"my [REDACTED]!"


def test_what_only_began_like_a_secret_comes_out_when_it_goes_on_otherwise() -> None:
    redactor = Redactor(["secret"])
    assert [redactor.feed(each) for each in (b"a sec", b"ond", b" one")] == [b"a ", b"second", b" one"]


def test_what_only_began_like_a_secret_comes_out_at_the_end() -> None:
    redactor = Redactor(["secret"])
    assert (redactor.feed(b"a sec"), redactor.flush(), redactor.flush()) == (b"a ", b"sec", b"")


def test_of_a_secret_within_another_nothing_is_left_but_the_longer_one_is_hidden() -> None:
    assert b"".join(pieces(Redactor(["word", "password1"]), b"password1 word", range(14))) == b"[REDACTED] [REDACTED]"


def test_secrets_that_overlap_are_hidden_together() -> None:
    shown = b"".join(pieces(Redactor(["user:pass", "pass@host"]), b"to user:pass@host!", range(18)))
    assert shown == b"to [REDACTED]!"


def test_a_secret_of_many_lines_is_hidden_as_a_whole_and_by_the_line() -> None:
    assert b"".join(pieces(Redactor([KEY]), KEY.encode(), range(80))) == b"[REDACTED]\n"
    assert Redactor([KEY]).feed(b"line 2: MIIEvQIBADANBgkq\r\n") == b"line 2: [REDACTED]\r\n"


def test_a_short_line_of_a_secret_is_not_sought_by_itself() -> None:
    assert Redactor([KEY]).feed(b"AQ==\n") == b"AQ==\n"


def test_a_long_secret_is_hidden_as_one_and_little_of_it_is_held_back() -> None:
    secret = "".join(f"{number:06d}" for number in range(2_000))
    redactor = Redactor([secret])
    shown = pieces(redactor, f"<{secret}>".encode(), range(0, 12_002, 100))
    assert b"".join(shown) == b"<[REDACTED]>"
    half = Redactor([secret])
    half.feed(secret[:6_000].encode())
    assert len(half._held) <= 512


def test_bytes_that_are_no_text_are_left_as_they_are() -> None:
    assert Redactor(["secret"]).feed(b"\xff\xc3secret\xfe\0") == b"\xff\xc3[REDACTED]\xfe\0"


@pytest.mark.parametrize("secret", ["", "a", "abc", "    ", "\n\n\n\n\n"])
def test_what_would_be_found_everywhere_is_not_sought(secret: str) -> None:
    assert Redactor([secret]).feed(b"abc    \n\n\n\n\n") == b"abc    \n\n\n\n\n"


def test_the_names_of_a_mapping_are_not_taken_for_its_values() -> None:
    assert Redactor({"name": "value"}).feed(b"name: value\n") == b"name: [REDACTED]\n"
