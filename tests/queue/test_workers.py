"""Real workers on real brokers."""

from __future__ import annotations

import os
from collections import Counter

import pytest

from ..processes.waiting import wait_until
from .brokers import waiting
from .conftest import MakeSystem
from .system import System

ONCE = Counter(note=1, act=1, acted=1)

SWEEP_EVERY_SECOND = {
    "beat_schedule": {
        "sweep": {
            "task": "flask_fd_whatsapp.sweep",
            "schedule": 1.0,
            "options": {"expires": 1},
        }
    }
}


@pytest.mark.parametrize(("broker", "pool"), [("rabbitmq", "prefork"), ("redis", "threads")])
def test_workers_call_each_handler_once(make_system: MakeSystem, broker: str, pool: str) -> None:
    """Workers call each handler once for each event, and retry failed and postponed ones."""
    system = make_system(broker, "postgresql")
    early = [system.post() for _ in range(3)]
    wait_until(lambda: waiting(system.config) == 3, "the tasks are in the queue")
    worker = system.start(pool)
    worker.wait_until_ready()
    fine = [*early, *(system.post() for _ in range(10))]
    failing, asking = system.post("fail"), system.post("later")
    system.wait_for("done", *fine)
    for message_id in fine:
        assert system.calls(message_id) == ONCE
        assert os.getpid() not in system.pids(message_id)

    for message_id in (failing, asking):
        wait_until(lambda m=message_id: system.calls(m)["note"], "the first try is over")  # type: ignore[misc]
    system.make_due()
    celery_app = system.app.extensions["celery"]

    def sweep_until_done() -> bool:
        if waiting(system.config) == 0:
            system.make_due()
            celery_app.tasks["flask_fd_whatsapp.sweep"].apply_async()
        return all(system.event(m).state == "done" for m in (failing, asking))

    wait_until(sweep_until_done, "the sweep has called the handlers again")
    for message_id in (failing, asking):
        assert system.calls(message_id) == Counter(note=1, act=2, acted=1)
    assert system.event(failing).attempts == 2
    assert system.event(asking).attempts == 1
    wait_until(lambda: waiting(system.config) == 0, "the queue is empty")


@pytest.mark.slow
@pytest.mark.parametrize("broker", ["rabbitmq", "redis"])
def test_ledger_down_for_a_while(make_system: MakeSystem, broker: str) -> None:
    """Events handed over by a sweep are handled soon after an outage, without another sweep."""
    system = make_system(broker, "postgresql")
    system.receiver._hand_over = lambda event_id: None
    message_ids = [system.post() for _ in range(5)]
    with system.app.app_context():
        assert system.app.extensions["celery"].tasks["flask_fd_whatsapp.sweep"].run() == {
            "fd_whatsapp": 5
        }
    with system.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE fd_whatsapp_event RENAME TO away")
    worker = system.start("threads")
    wait_until(lambda: worker.text().count("Retry in") >= 5, "all tasks are put off")
    assert worker.text().count("The ledger of fd_whatsapp cannot be used") == 1
    with system.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE away RENAME TO fd_whatsapp_event")
    system.wait_for("done", *message_ids)
    assert [system.calls(message_id) for message_id in message_ids] == [ONCE] * 5


@pytest.mark.slow
def test_process_killed(make_system: MakeSystem) -> None:
    """A task whose process is killed in a handler is redelivered, and waits for the lease."""
    system = make_system("rabbitmq", "postgresql", lease=3)
    system.start("prefork").wait_until_ready()
    killed, fine = system.post("kill"), system.post()
    assert_taken_by_another(system, killed, fine)


@pytest.mark.slow
def test_worker_killed(make_system: MakeSystem) -> None:
    """The event of a worker killed in a handler is handled by another's sweep after the lease."""
    system = make_system("redis", "postgresql", lease=3, **SWEEP_EVERY_SECOND)
    workers = [system.start("solo"), system.start("solo")]
    system.start_beat()
    for worker in workers:
        worker.wait_until_ready()
    killed, fine = system.post("kill"), system.post()
    assert_taken_by_another(system, killed, fine)
    assert sum(worker.process.poll() is None for worker in workers) == 1


@pytest.mark.slow
def test_hanging_handler(make_system: MakeSystem, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hanging handler is logged, and its process ended by the task's time limit, which leaves
    each of the event's two handlers its time.
    """
    monkeypatch.setenv("FLASK_FD_WHATSAPP_HANDLER_SECONDS", "1")
    monkeypatch.setattr("flask_fd_whatsapp.queue.tasks.LIMIT_AFTER_SECONDS", 1)
    system = make_system("rabbitmq", "postgresql", lease=3, **SWEEP_EVERY_SECOND)
    worker = system.start("prefork")
    worker.wait_until_ready()
    hanging = system.post("hold")
    wait_until(lambda: "Hard time limit (3s) exceeded" in worker.text(), "it is ended")
    assert "has been running for 1 seconds on QUEUED" in worker.text()
    # It gets SIGTERM before it is killed, which records the failed attempt.
    wait_until(lambda: system.event(hanging).last_error, "the attempt is recorded")
    (system.folder / f"release-{hanging}").touch()
    system.make_due()
    system.start_beat()
    system.wait_for("done", hanging)
    assert system.calls(hanging) == Counter(note=1, act=2, acted=1)
    assert system.event(hanging).attempts == 2


def assert_taken_by_another(system: System, killed: str, fine: str) -> None:
    system.wait_for("done", killed, fine)
    assert system.calls(fine) == ONCE
    assert system.calls(killed) == Counter(note=1, act=2, acted=1)
    first, second, *_ = system.pids(killed)
    assert first != second
    assert system.event(killed).attempts == 2


def test_twice_at_once(make_system: MakeSystem) -> None:
    """Two workers that get the same event, and its message's next, call each handler once."""
    system = make_system("rabbitmq", "postgresql")
    for worker in [system.start("threads"), system.start("threads")]:
        worker.wait_until_ready()
    message_id = system.post("hold")
    wait_until(lambda: system.calls(message_id)["act"], "a worker has the event")
    system.post_again(message_id)
    system.post_again(message_id, "sent")
    (system.folder / f"release-{message_id}").touch()

    def are_done() -> bool:
        events = system.receiver.ledger.events(message_id=message_id)
        return [event.state for event in events] == ["done", "done"]

    wait_until(are_done, "both events are done")
    wait_until(lambda: waiting(system.config) == 0, "the queue is empty")
    assert system.calls(message_id) == Counter(note=2, act=1, acted=1)


@pytest.mark.slow
@pytest.mark.parametrize("broker", ["rabbitmq", "redis"])
def test_workers_work_off_a_backlog(make_system: MakeSystem, broker: str) -> None:
    """A sweep lets every process of every worker work off a backlog, without filling a queue."""
    system = make_system(broker, "postgresql", worker_prefetch_multiplier=1)
    system.receiver._hand_over = lambda event_id: None  # as while the broker was down
    held = [system.post("hold") for _ in range(4)]
    fine = [system.post() for _ in range(20)]
    workers = [system.start("prefork"), system.start("prefork")]
    for worker in workers:
        worker.wait_until_ready()
    sweep = system.app.extensions["celery"].tasks["flask_fd_whatsapp.sweep"]
    sweep.apply_async()
    wait_until(lambda: all(system.calls(m)["act"] for m in held), "four processes are at work")
    assert len({system.pids(message_id)[0] for message_id in held}) == 4
    left = waiting(system.config)
    assert left <= len(fine)
    for _ in range(2):
        sweep.apply_async()
    for message_id in held:
        (system.folder / f"release-{message_id}").touch()
    system.wait_for("done", *held, *fine)
    wait_until(lambda: waiting(system.config) == 0, "the queue is empty")
    for message_id in (*held, *fine):
        assert system.calls(message_id) == ONCE
    text = "".join(worker.text() for worker in workers)
    assert text.count("Task flask_fd_whatsapp.handle_event[") >= len(held) + len(fine)
    assert text.count("received") <= len(held) + len(fine) + 3  # none was handed over twice
