"""Buffers that a background thread writes."""

from __future__ import annotations

import threading
from itertools import chain

import pytest
from django.db import OperationalError

from db import background_buffer
from db.background_buffer import BackgroundBuffer, BackgroundWriter

Buffer = BackgroundBuffer[int, list[int]]


def buffer(written: list[list[int]], *, add_up_at: float = 1000, limit: float = 1000) -> Buffer:
    """Return a buffer whose total is a list of the items."""
    return BackgroundBuffer(
        "numbers", empty=list, add_up=list.extend, write=written.append, add_up_at=add_up_at, limit=limit
    )


def test_without_a_writer_each_item_is_written_at_once() -> None:
    written: list[list[int]] = []
    numbers = buffer(written)
    numbers.add(1)
    numbers.add(2)
    assert written == [[1], [2]]


def test_a_flush_without_items_writes_nothing() -> None:
    written: list[list[int]] = []
    buffer(written).flush()
    assert written == []


def test_a_writer_writes_the_items_of_each_buffer_together_and_the_last_ones_when_it_stops(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(background_buffer, "FLUSH_SECONDS", 0.01)
    is_written = threading.Event()
    first: list[list[int]] = []
    second: list[list[int]] = []

    def write(total: list[int]) -> None:
        first.append(total)
        is_written.set()

    numbers: Buffer = BackgroundBuffer("numbers", empty=list, add_up=list.extend, write=write)
    others = buffer(second)
    writer = BackgroundWriter(numbers, others)
    writer.start()
    numbers.add(1)
    assert is_written.wait(10)
    monkeypatch.setattr(background_buffer, "FLUSH_SECONDS", 60)
    for number in (2, 3):
        numbers.add(number)
        others.add(number)
    writer.stop()
    assert list(chain.from_iterable(first)) == [1, 2, 3]
    assert list(chain.from_iterable(second)) == [2, 3]
    others.add(4)
    assert second[-1] == [4], "after the writer has stopped, each item is written at once"


def test_items_are_added_up_when_their_sizes_reach_the_mark_and_written_only_by_a_flush() -> None:
    written: list[dict[str, int]] = []
    added_up: list[list[int]] = []

    def add_up(total: dict[str, int], items: list[int]) -> None:
        added_up.append(items)
        total["sum"] = total.get("sum", 0) + sum(items)

    sums: BackgroundBuffer[int, dict[str, int]] = BackgroundBuffer(
        "sums", empty=dict, add_up=add_up, write=written.append, add_up_at=10
    )
    sums.is_in_background = True
    sums.add(1, size=4)
    sums.add(2, size=4)
    assert added_up == []
    sums.add(3, size=2)
    sums.add(4)
    assert added_up == [[1, 2, 3]]
    assert written == []
    sums.flush()
    assert written == [{"sum": 10}]


def test_beyond_the_limit_items_are_dropped_until_the_next_flush() -> None:
    written: list[list[int]] = []
    numbers = buffer(written, limit=10)
    numbers.is_in_background = True
    for number in range(5):
        numbers.add(number, size=4)
    numbers.flush()
    numbers.add(9)
    numbers.flush()
    assert written == [[0, 1, 2], [9]]


def test_items_that_come_during_a_write_belong_to_the_next_one() -> None:
    written: list[list[int]] = []

    def write(total: list[int]) -> None:
        written.append(total)
        if len(written) == 1:
            numbers.add(2)

    numbers: Buffer = BackgroundBuffer("numbers", empty=list, add_up=list.extend, write=write)
    numbers.is_in_background = True
    numbers.add(1)
    numbers.flush()
    numbers.flush()
    assert written == [[1], [2]]


def test_with_the_database_away_items_are_lost_with_a_warning_and_later_ones_are_written(
    caplog: pytest.LogCaptureFixture,
) -> None:
    written: list[list[int]] = []

    def write(total: list[int]) -> None:
        if total == [1]:
            raise OperationalError("no route to host")
        written.append(total)

    numbers: Buffer = BackgroundBuffer("numbers", empty=list, add_up=list.extend, write=write)
    numbers.add(1)
    numbers.add(2)
    assert written == [[2]]
    assert "numbers: the items of the last seconds are lost: no route to host" in caplog.text
