"""What every notifier must do. A new implementation subclasses `NotifierContract` and gives its fixtures."""

from __future__ import annotations

from interlock.control.keeping.alerting import Notifier


class NotifierContract:
    """Tests that run against every implementation of `interlock.control.keeping.alerting.Notifier`."""

    def test_without_addresses_there_is_no_answer(self, silent: Notifier) -> None:
        assert silent.send("title", "body", "info") == []

    def test_each_address_gets_its_answer(self, reached: Notifier) -> None:
        assert [(answer.ok, answer.error) for answer in reached.send("title", "body", "critical")] == [(True, "")]

    def test_a_failure_is_an_answer_never_an_error(self, unreachable: Notifier) -> None:
        [answer] = unreachable.send("title", "body", "warning")
        assert not answer.ok
        assert answer.error

    def test_an_unknown_severity_is_told_all_the_same(self, reached: Notifier) -> None:
        assert reached.send("title", "body", "odd")[0].ok

    def test_no_answer_shows_a_secret(self, reached: Notifier, unreachable: Notifier) -> None:
        for notifier in (reached, unreachable):
            assert "hunter2" not in str(notifier.send("title", "body", "info"))
