"""Where the parser is: the current token, and the next one when it must be known."""

from __future__ import annotations

from itertools import islice

from domain.expression.errors import Fault
from domain.expression.lexer import EOF, IDENTIFIER, OPERATOR, Token, tokenize
from domain.expression.limits import MOST_NODES

TOO_LARGE = "compilation failed: expression exceeds maximum allowed nodes"
MOST_TOKENS = 2 * MOST_NODES


class Cursor:
    """Goes through the tokens of one expression."""

    def __init__(self, source: str) -> None:
        """Begin at the first token."""
        self._tokens = islice(tokenize(source), MOST_TOKENS)
        self._ahead: Token | None = None
        self.current = next(self._tokens)

    def _read(self) -> Token:
        token = next(self._tokens, None)
        if token is None:
            ended = self.current.kind == EOF
            raise Fault("unexpected end of expression" if ended else TOO_LARGE, self.current.position)
        return token

    def advance(self) -> Token:
        """Go to the next token and return the one that was current."""
        token = self.current
        self.current, self._ahead = self._ahead or self._read(), None
        return token

    def ahead(self) -> Token:
        """Look at the token after the current one."""
        if self._ahead is None:
            self._ahead = self._read()
        return self._ahead

    def at(self, value: str, kind: str = OPERATOR) -> bool:
        """Tell whether the current token is the one."""
        return self.current.value == value and self.current.kind == kind

    def take(self, value: str, kind: str = OPERATOR) -> bool:
        """Skip the current token if it is the one."""
        found = self.current.value == value and self.current.kind == kind
        if found:
            self.advance()
        return found

    def expect(self, value: str, kind: str = OPERATOR) -> None:
        """Skip the current token, which must be the one."""
        if not self.take(value, kind):
            raise self.unexpected()

    def word(self) -> Token:
        """Skip and return a name."""
        if self.current.kind != IDENTIFIER:
            raise self.unexpected()
        return self.advance()

    def unexpected(self) -> Fault:
        """Say that the current token has no place here."""
        return Fault(f"unexpected token {self.current}", self.current.position)
