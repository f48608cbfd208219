"""A step under way when its feed is stopped is ended, so that what was sent is remembered as sent."""

from __future__ import annotations

import asyncio

import pytest

from connectors.fetch import _whole


async def test_a_step_under_way_ends_though_cancelled() -> None:
    begun, go, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def step() -> None:
        begun.set()
        await go.wait()
        ended.set()

    task = asyncio.create_task(_whole(step()))
    await begun.wait()
    task.cancel()
    await asyncio.sleep(0)
    assert not task.done()
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended.is_set()


async def test_a_step_that_fails_says_so() -> None:
    async def step() -> None:
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        await _whole(step())
