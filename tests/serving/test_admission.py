"""Places, rates, deadlines and turns: what keeps one use case from starving another."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from interlock.serving.admission import NOTES, Admission, Bucket, Notes, TurnedAway, deadline_of, heed_timeout
from interlock.serving.limits import Limits
from interlock.serving.turns import Turns
from interlock.serving.wire import Refusal
from interlock.spec.serving import Serving

ANY = Serving()
STEPS = st.lists(st.tuples(st.sampled_from("abcd"), st.booleans(), st.sampled_from([1, 2, 3, 4])), max_size=300)


def fill(admission: Admission, use_case: str, use_cases: int, options: Serving = ANY) -> int:
    """Take places until none is left; how many were there."""
    taken = 0
    while True:
        try:
            admission.enter(use_case, options, use_cases, paced=True)
        except TurnedAway:
            return taken
        taken += 1


def test_one_use_case_alone_may_take_every_place() -> None:
    admission = Admission(Limits(inflight_max=8))
    assert fill(admission, "a", 1) == 8
    admission.leave("a", Notes())
    assert fill(admission, "a", 1) == 1


def test_a_flooded_use_case_leaves_the_others_their_places() -> None:
    admission = Admission(Limits(inflight_max=16))  # two use cases: 16 // 4 = 4 kept for each, 8 for whoever comes
    assert fill(admission, "a", 2) == 12
    assert fill(admission, "b", 2) == 4
    assert admission.inflight == 16


def test_an_own_share_bounds_a_use_case() -> None:
    admission = Admission(Limits(inflight_max=16))
    assert fill(admission, "a", 1, Serving(inflight_share=0.25)) == 4
    assert fill(admission, "b", 1) == 12


@given(steps=STEPS)
@hypothesis_settings(max_examples=200, deadline=None)
def test_places_are_never_lost_nor_made_up(steps: list[tuple[str, bool, int]]) -> None:
    """Whatever comes and goes, also while use cases appear: at most `inflight_max` at work, and at the end every place is free."""
    admission = Admission(Limits(inflight_max=12))
    held: list[str] = []
    for use_case, comes, use_cases in steps:
        if comes:
            kept = 12 // (2 * use_cases) if use_cases > 1 else 0
            try:
                admission.enter(use_case, ANY, use_cases, paced=True)
            except TurnedAway:
                assert held.count(use_case) >= kept, "a use case always gets the places that are kept for it"
            else:
                held.append(use_case)
        elif use_case in held:
            admission.leave(use_case, Notes())
            held.remove(use_case)
        assert admission.inflight == len(held)
        assert admission.of == {name: held.count(name) for name in set(held)}
    for use_case in held:
        admission.leave(use_case, Notes())
    assert fill(admission, "a", 1) == 12


def test_large_bodies_share_their_room_and_small_ones_need_none() -> None:
    """Room for 200,000 bytes: two of 90,000, not a third, but any small one; what leaves gives its room back. One alone always fits."""
    admission = Admission(Limits(inflight_bytes_max=200_000))
    first, second, third = Notes(), Notes(), Notes()
    for notes in (first, second):
        admission.enter("a", ANY, 1, paced=True)
        admission.hold(notes, 90_000)
    admission.enter("b", ANY, 2, paced=True)
    with pytest.raises(TurnedAway) as refused:
        admission.hold(third, 90_000)
    assert (refused.value.status, refused.value.reason, refused.value.headers["retry-after"]) == (503, "busy", "1")
    admission.hold(third, 65_536)
    admission.leave("a", first)
    admission.hold(third, 90_000)
    admission.leave("a", second)
    admission.leave("b", third)
    assert admission.body_bytes == 0
    admission.enter("a", ANY, 2, paced=True)
    admission.hold(first, 300_000)


def test_a_timeout_that_is_no_float_is_a_long_one() -> None:
    notes = Notes(began=5.0)
    token = NOTES.set(notes)
    try:
        heed_timeout({"timeout": 10**400})
    finally:
        NOTES.reset(token)
    assert notes.deadline == 1_000_005.0  # 10^12 microseconds from the beginning


def test_a_bucket_lets_its_rate_through(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    bucket = Bucket(8)  # a quarter of a second's worth at once: 2; then one every 1/8 s
    assert [bucket.wait_s() for _ in range(3)] == [0, 0, pytest.approx(0.125)]
    now[0] += 0.125
    assert [bucket.wait_s(), bucket.wait_s()] == [0, pytest.approx(0.125)]
    now[0] += 1000
    assert [bucket.wait_s() for _ in range(3)] == [0, 0, pytest.approx(0.125)], "what was not used is not saved up"


def test_a_use_case_answers_no_more_than_it_says() -> None:
    admission = Admission(Limits(inflight_max=8, workers=2))
    slow = Serving(requests_per_s=0.5)  # two workers: 0.25 a second each, so one now and the next in 4 s
    admission.enter("a", slow, 1, paced=True)
    with pytest.raises(TurnedAway) as refused:
        admission.enter("a", slow, 1, paced=True)
    assert (refused.value.status, refused.value.headers["retry-after"], refused.value.reason) == (503, "4", "rate")
    admission.enter("a", slow, 1, paced=False)  # labels are not held up
    assert admission.inflight == 2


@pytest.mark.parametrize("text", ["0", "-5", "1.5", "soon", "600001", "", "9" * 30, "١"])
def test_a_deadline_is_whole_milliseconds(text: str) -> None:
    scope = {"headers": [(b"x-request-deadline-ms", text.encode("utf-8"))]}
    with pytest.raises(Refusal) as refused:
        deadline_of(scope, Limits(), 0.0)
    assert refused.value.status == 400
    assert deadline_of({"headers": [(b"x-request-deadline-ms", b"250")]}, Limits(), 10.0) == 10.25
    assert deadline_of({"headers": []}, Limits(), 10.0) is None


def test_use_cases_take_turns_and_each_queue_is_bounded() -> None:
    order: list[str] = []

    async def scenario() -> None:
        turns = Turns(Limits(batches_at_work=1, batches_waiting_max=3))
        gate = asyncio.Event()
        loop = asyncio.get_running_loop()

        def work(name: str) -> None:
            asyncio.run_coroutine_threadsafe(gate.wait(), loop).result(10)
            order.append(name)

        tasks = [asyncio.create_task(turns.run(name[0], lambda name=name: work(name))) for name in ("a0", "a1", "a2", "a3", "b1")]
        await asyncio.sleep(0)
        assert turns.waiting == 4
        with pytest.raises(TurnedAway) as refused:
            await turns.run("a", lambda: None)
        assert refused.value.reason == "queue"
        gate.set()
        await asyncio.gather(*tasks)
        assert turns.waiting == 0
        assert await turns.run("b", lambda: 7) == 7

    asyncio.run(scenario())
    assert order == ["a0", "a1", "b1", "a2", "a3"], "b does not wait behind all of a"


def test_a_batch_whose_deadline_passes_in_the_queue_is_given_up() -> None:
    async def scenario() -> list[Any]:
        turns = Turns(Limits(batches_at_work=1))
        gate = asyncio.Event()
        loop = asyncio.get_running_loop()
        first = asyncio.create_task(turns.run("a", lambda: asyncio.run_coroutine_threadsafe(gate.wait(), loop).result(10)))
        await asyncio.sleep(0)
        NOTES.set(Notes(deadline=time.perf_counter() + 0.02))
        with pytest.raises(TurnedAway) as refused:
            await turns.run("b", lambda: pytest.fail("work for nobody"))
        NOTES.set(None)
        waiting = turns.waiting
        gone = asyncio.create_task(turns.run("b", lambda: pytest.fail("work for nobody")))
        await asyncio.sleep(0)
        gone.cancel()
        gate.set()
        await first
        return [refused.value.status, refused.value.reason, waiting, turns.waiting, await turns.run("c", lambda: "free again")]

    assert asyncio.run(scenario()) == [504, "deadline", 0, 0, "free again"]
