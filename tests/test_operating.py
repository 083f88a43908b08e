"""docs/operating.md: each problem has all its parts, and a test of its remedy."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
PAGE = TESTS.parent / "docs" / "operating.md"
SECTION = re.compile(r"^##+ ([^\n]+)\n\n(- \*\*Symptom.*?)(?=^##|\Z)", re.DOTALL | re.MULTILINE)
SECTIONS: dict[str, str] = dict(SECTION.findall(PAGE.read_text()))

TRIED = {
    "The ledger is down": [
        "processes/test_database_restarted.py::test_postgresql_restarted",
        "freshdesk/test_outage.py::test_an_outage_of_two_days",
    ],
    "The tables do not fit the code": [
        "commands/test_upgrade.py::test_upgrade_creates_the_ledger",
        "ledger/test_first_use.py::test_newer_tables_that_this_code_does_not_work_with_say_so",
    ],
    "The ledger cannot be written": [
        "processes/test_sqlite_trouble.py::test_full_disk",
        "processes/test_sqlite_trouble.py::test_used_up_quota_is_503",
        "processes/test_sqlite_trouble.py::test_read_only",
        "processes/test_fail_over.py::test_standby_takes_over_in_a_burst",
    ],
    "SQLite's file is gone or locked": [
        "processes/test_sqlite_trouble.py::test_moved_away",
        "processes/test_sqlite_trouble.py::test_removed_file_is_not_made_anew",
        "processes/test_sqlite_trouble.py::test_locked_file_is_503",
        "processes/test_stopped.py::test_stopped_process",
        "processes/test_restored.py::test_backup_in_a_burst_is_restored",
    ],
    "The in-memory ledger is full": [
        "commands/test_remedies.py::test_full_memory_has_room_once_the_handler_is_fixed",
    ],
    "Requests are rejected": [
        "commands/test_remedies.py::test_changed_token_is_accepted_beside_the_old_one",
        "commands/test_remedies.py::test_account_that_was_not_listed_is_replayed",
        "commands/test_remedies.py::test_payload_that_a_schema_refused_is_replayed",
        "commands/test_remedies.py::test_rejections_that_do_not_matter_are_acknowledged",
        "commands/test_remedies.py::test_bodies_that_were_too_large_come_again",
    ],
    "Nothing arrives": [
        "commands/test_probe.py::test_csrf_guard",
        "commands/test_probe.py::test_https_redirect",
        "freshdesk/test_outage.py::test_an_outage_of_two_days",
    ],
    "Reconciliation fails": [
        "freshdesk/test_reconciler.py::test_a_call_that_is_not_allowed_stops_the_run",
        "freshdesk/test_reconciler.py::test_five_unreadable_answers_stop_the_run",
    ],
    "No process picks up events that are due": [
        "commands/test_remedies.py::test_what_nobody_takes_up_is_handled_by_retry",
        "queue/test_publisher.py::test_broker_comes_and_goes",
    ],
    "Handlers fail": [
        "commands/test_remedies.py::test_failing_event_is_tried_at_once",
    ],
    "A handler hangs": [
        "processes/test_slow_handler.py::test_slow_handler",
        "commands/test_hanging.py::test_followers_with_a_hanging_handler_exit_and_others_continue",
        "queue/test_workers.py::test_hanging_handler",
    ],
    "Events arrive faster than they are handled": [
        "commands/test_remedies.py::test_what_piled_up_is_worked_off",
        "queue/test_workers.py::test_workers_work_off_a_backlog",
    ],
    "Handlers are not called": [
        "commands/test_remedies.py::test_handler_that_was_not_connected_is_called_with_past_events",
    ],
    "Dead events": [
        "commands/test_remedies.py::test_dead_events_are_handled_once_the_handler_is_fixed",
        "commands/test_remedies.py::test_schema_that_refused_recorded_events_is_mended",
        "commands/test_acknowledge.py::test_every_dead_event_is_acknowledged_without_a_choice",
    ],
    "Sends without an event": [
        "commands/test_reconcile.py::test_catching_up",
    ],
    "Sends that may not have gone out": [
        "commands/test_reconcile.py::test_a_send_whose_message_has_come_is_settled_and_not_closed",
        "commands/test_reconcile.py::test_an_unknown_send_is_closed_by_hand",
    ],
    "Freshdesk has changed its payload": [
        "receiving/test_drift_detection.py::test_fields_of_the_hosts_schema_are_known",
        "receiving/test_drift_detection.py::test_error_codes_of_the_hosts_own_are_known",
    ],
}
"""The tests of each remedy, by the section's heading."""


def test_each_remedy_has_a_test() -> None:
    """Every remedy on the page has a test."""
    assert list(SECTIONS) == list(TRIED)


@pytest.mark.parametrize("section", TRIED)
def test_remedy_is_tried_by_tests_that_exist(section: str) -> None:
    """The named tests exist."""
    for name in TRIED[section]:
        path, _, function = name.partition("::")
        tree = ast.parse((TESTS / path).read_text())
        found = [node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
        assert function in found, name


@pytest.mark.parametrize("section", SECTIONS)
def test_trouble_has_symptom_look_cause_and_remedy(section: str) -> None:
    """Each section has symptom, where to look, cause and remedy, in this order."""
    parts = re.findall(r"^- \*\*(.+?)\.\*\*", SECTIONS[section], re.MULTILINE)
    assert " ".join(parts).replace(" and remedy", " Remedy") == "Symptom Look Cause Remedy"
