"""The error of a query that cannot be read."""

from __future__ import annotations


class BpqlError(ValueError):
    """A query that cannot be read.

    `message` is for the author of the query, `position` the character of the error, from 0, or None for the whole query.
    """

    def __init__(self, message: str, position: int | None = 0) -> None:
        super().__init__(message)
        self.message, self.position = message, position

    def __str__(self) -> str:
        if self.position is None:
            return self.message
        return f"{self.message} (at character {self.position + 1})"
