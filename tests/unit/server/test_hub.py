"""Those who watch: told of each change at once, and in turn of where they stand."""

import asyncio

from nonette.server.hub import MOST_OUTLOOKS, OUTLOOK_TICKS, Hub


def watched(queue, num_jobs):
    hub = Hub(queue)
    for number in range(num_jobs):
        hub._watchers[f"job_{number}"] = {asyncio.Queue()}
    return hub


def test_a_crowd_is_told_in_turn_and_never_all_at_once(queue):
    num_rounds = 40
    hub = watched(queue, num_rounds * MOST_OUTLOOKS)
    rounds = [hub._in_turn() for _ in range(2 * num_rounds)]
    assert {len(told) for told in rounds} == {MOST_OUTLOOKS}
    for each in (rounds[:num_rounds], rounds[num_rounds:]):
        assert set.union(*each) == set(hub._watchers)


def test_few_are_told_every_two_seconds(queue):
    hub = watched(queue, 2)
    told = [job for _ in range(42 // OUTLOOK_TICKS) for job in hub._in_turn()]
    assert sorted(told) == ["job_0", "job_0", "job_1", "job_1"]


def test_a_watcher_who_hears_nothing_is_given_the_last_view_again(queue, wish):
    async def watch():
        changes = Hub(queue).watch(queue.submit(wish()).id, beat=0.05)
        views = [await anext(changes) for _ in range(3)]
        await changes.aclose()
        return views

    first, second, third = asyncio.run(watch())
    assert first is second is third
