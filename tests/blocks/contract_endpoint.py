"""What every endpoint must do. A new implementation subclasses `EndpointContract` and gives `endpoint`, `slots` and `make_down`."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from interlock.control.endpoint import Endpoint
from interlock.errors import StaleState, Unavailable
from interlock.records.ids import new_id
from interlock.rules.routes import Route, Slot, agrees

NAME = "late"
Slots = tuple[Slot, Slot]


def first(slots: Slots) -> Route:
    return Route(use_case=NAME, generation=1, champion=slots[0])


def second(slots: Slots) -> Route:
    return Route(use_case=NAME, generation=2, champion=slots[1], previous=slots[0])


class EndpointContract:
    """Tests that run against every implementation of `interlock.control.endpoint.Endpoint`."""

    def test_a_use_case_never_served_has_nothing(self, endpoint: Endpoint) -> None:
        observed = endpoint.observed("never_served")
        assert (observed.generation, observed.champion, observed.override) == (0, None, False)

    def test_it_does_what_the_route_says_and_says_so(self, endpoint: Endpoint, slots: Slots) -> None:
        assert agrees(first(slots), endpoint.converge(first(slots)))
        assert agrees(first(slots), endpoint.observed(NAME))

    def test_the_same_route_again_changes_nothing(self, endpoint: Endpoint, slots: Slots) -> None:
        endpoint.converge(first(slots))
        assert agrees(first(slots), endpoint.converge(first(slots)))

    def test_an_older_generation_is_refused(self, endpoint: Endpoint, slots: Slots) -> None:
        endpoint.converge(first(slots))
        endpoint.converge(second(slots))
        with pytest.raises(StaleState):
            endpoint.converge(first(slots))
        assert endpoint.observed(NAME).champion == slots[1]

    def test_rollback_answers_with_the_previous_model_at_once(self, endpoint: Endpoint, slots: Slots) -> None:
        endpoint.converge(first(slots))
        endpoint.converge(second(slots))
        observed = endpoint.rollback(NAME, actor="cas", reason="complaints", override_id="o-1", expected_generation=2)
        assert (observed.champion, observed.override, observed.override_id, observed.override_actor) == (slots[0], True, "o-1", "cas")

    def test_one_rollback_has_one_effect(self, endpoint: Endpoint, slots: Slots) -> None:
        endpoint.converge(first(slots))
        endpoint.converge(second(slots))
        for _ in range(2):
            observed = endpoint.rollback(NAME, actor="cas", reason="complaints", override_id="o-1", expected_generation=2)
            assert observed.champion == slots[0]
        with pytest.raises(StaleState):
            endpoint.rollback(NAME, actor="dee", reason="me too", override_id=new_id(), expected_generation=2)

    def test_the_store_takes_an_override_over_once(self, endpoint: Endpoint, slots: Slots) -> None:
        endpoint.converge(first(slots))
        endpoint.converge(second(slots))
        endpoint.rollback(NAME, actor="cas", reason="complaints", override_id="o-1", expected_generation=2)
        newer = Route(use_case=NAME, generation=3, champion=slots[0], previous=slots[1])
        for _ in range(2):
            observed = endpoint.absorbed(NAME, "o-1", newer)
            assert agrees(newer, observed)
            assert not observed.override

    def test_without_traffic_the_arms_are_empty(self, endpoint: Endpoint, slots: Slots) -> None:
        endpoint.converge(first(slots))
        assert endpoint.stats(NAME).champion.requests == 0

    def test_nothing_that_answers_is_worth_another_try(self, endpoint: Endpoint, slots: Slots, make_down: Callable[[], None]) -> None:
        make_down()
        with pytest.raises(Unavailable):
            endpoint.observed(NAME)
        with pytest.raises(Unavailable):
            endpoint.converge(first(slots))
