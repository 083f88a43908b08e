"""Unit tests of the tasks: delivered twice, early, late or for nothing."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from celery import Celery
from kombu.exceptions import OperationalError
from sqlalchemy import create_engine, select, update

from flask_fd_whatsapp import ConfigurationError, FreshdeskWhatsApp
from flask_fd_whatsapp.ledger import Policy, Tried
from flask_fd_whatsapp.ledger.sql import SQLLedger
from flask_fd_whatsapp.ledger.sql.tables import event as event_table
from flask_fd_whatsapp.queue import tasks

from ..conftest import TOKEN, Payload
from .conftest import MakeSystem
from .host import connect_handlers, make_celery
from .system import System


@pytest.fixture
def system(make_system: MakeSystem) -> System:
    """A system without workers."""
    return make_system("memory://")


def run(system: System, name: str, *arguments: Any) -> Any:
    """Run a task as a worker does, outside any application context."""
    task = system.app.extensions["celery"].tasks[f"flask_fd_whatsapp.{name}"]
    return task.apply(arguments, throw=True).get()


def handle(system: System, event_id: Any, receiver: str = "fd_whatsapp") -> Any:
    return run(system, "handle_event", receiver, event_id)


def test_tasks_are_acknowledged_late(system: System) -> None:
    """An event's task is acknowledged late and rejected if its worker dies; no result is kept."""
    known = system.app.extensions["celery"].tasks
    event, sweep = known["flask_fd_whatsapp.handle_event"], known["flask_fd_whatsapp.sweep"]
    assert event.acks_late
    assert event.reject_on_worker_lost
    assert not sweep.acks_late
    assert event.ignore_result
    assert sweep.ignore_result


def test_repeated_task_calls_nobody(system: System) -> None:
    """A repeated task finds the event done, and calls nobody."""
    message_id = system.post()
    event_id = system.event(message_id).id
    assert [handle(system, event_id) for _ in range(3)] == ["accepted", "duplicate", "duplicate"]
    assert system.calls(message_id)["act"] == 1


def test_early_task_calls_the_failed_handler_alone(system: System) -> None:
    """A task before a retry is due calls only the handler that failed."""
    message_id = system.post("fail")
    event_id = system.event(message_id).id
    assert handle(system, event_id) == "unfinished"
    assert run(system, "sweep") == {"fd_whatsapp": 0}
    assert handle(system, event_id) == "accepted"
    assert system.calls(message_id) == {"act": 2, "acted": 1, "note": 1}


def test_task_of_a_held_message_leaves_it_to_the_sweep(system: System) -> None:
    """A task whose message is being handled leaves the event to the sweep."""
    message_id = system.post()
    event_id = system.event(message_id).id
    claimed = system.receiver.ledger.claim(event_id, Policy(lease_seconds=60))
    assert claimed is not None
    assert claimed.claim is not None
    system.receiver.wait_seconds = 0.0
    assert handle(system, event_id) == "busy"
    assert run(system, "sweep") == {"fd_whatsapp": 0}
    assert not system.calls(message_id)
    assert system.event(message_id).state == "pending"


def test_task_of_a_pruned_event_does_nothing(system: System) -> None:
    """A task for an event that has been pruned does nothing."""
    message_id = system.post()
    event_id = system.event(message_id).id
    handle(system, event_id)
    later = datetime.now(UTC) + timedelta(days=1)
    assert system.receiver.ledger.prune(before=later, limit=10) == 1
    assert handle(system, event_id) == "gone"


def test_task_of_a_dead_event_calls_nobody(system: System) -> None:
    """A task for a dead event calls nobody."""
    message_id = system.post()
    event_id = system.event(message_id).id
    with system.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE fd_whatsapp_event SET due_at = NULL, dead_at = 'now'")
    assert handle(system, event_id) == "dead"
    assert not system.calls(message_id)


def test_not_handed_over(make_system: MakeSystem) -> None:
    """The sweep hands over an event whose process died before handing it over."""
    system = make_system("memory://", task_always_eager=True)
    system.receiver._hand_over = lambda event_id: None
    message_ids = [system.post() for _ in range(3)]
    assert run(system, "sweep") == {"fd_whatsapp": 3}
    assert [system.calls(message_id)["acted"] for message_id in message_ids] == [1, 1, 1]


def test_handed_over_once(system: System) -> None:
    """An event that a sweep has handed over waits, and is not handed over again by the next."""
    for _ in range(3):
        system.post()
    assert run(system, "sweep") == {"fd_whatsapp": 3}
    assert run(system, "sweep") == {"fd_whatsapp": 0}
    new = system.post()
    assert run(system, "sweep") == {"fd_whatsapp": 1}
    assert handle(system, system.event(new).id) == "accepted"


def test_busy_is_handed_over_again(system: System) -> None:
    """An event whose task arrived while its message was being handled is left to the next sweep."""
    message_id = system.post()
    event_id = system.event(message_id).id
    assert run(system, "sweep") == {"fd_whatsapp": 1}
    claimed = system.receiver.ledger.claim(event_id, Policy())
    assert claimed is not None
    assert claimed.claim is not None
    system.receiver.wait_seconds = 0.0
    assert handle(system, event_id) == "busy"
    claimed.claim.finish(Tried(retry_after=0))
    assert run(system, "sweep") == {"fd_whatsapp": 1}


def test_only_so_many_wait(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    """The number of events in the queue is limited; another sweep follows behind them."""
    monkeypatch.setattr("flask_fd_whatsapp.queue.tasks.MOST_WAITING", 4)
    monkeypatch.setattr("flask_fd_whatsapp.queue.tasks.LEAST_WAITING", 1)
    system.receiver._hand_over = lambda event_id: None
    message_ids = [system.post() for _ in range(6)]
    sweep = system.app.extensions["celery"].tasks["flask_fd_whatsapp.sweep"]
    following: list[Any] = []
    monkeypatch.setattr(type(sweep), "apply_async", lambda _, args: following.append(args))
    assert run(system, "sweep") == {"fd_whatsapp": 4}
    assert len(following) == 1
    assert run(system, "sweep") == {"fd_whatsapp": 0}
    handle(system, system.event(message_ids[0]).id)
    assert run(system, "sweep") == {"fd_whatsapp": 1}
    assert len(following) == 1  # little room is not worth another sweep: beat's is enough


def test_receivers_take_turns(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    """One receiver's backlog does not delay another's, and gets the time that is left."""
    monkeypatch.setattr("flask_fd_whatsapp.queue.tasks.BATCH", 1)
    app = system.app
    app.config["OTHER_HEADERS"] = {"Authorization": TOKEN}
    app.config["OTHER_DISPATCH"] = "celery"
    app.config["OTHER_LEDGER_URL"] = app.config["FD_WHATSAPP_LEDGER_URL"]
    app.register_blueprint(FreshdeskWhatsApp("other", config_prefix="OTHER", url_prefix="/other"))
    other = app.extensions["fd_whatsapp"]["other"]
    for _ in range(4):
        system.post()
    body = system._payload("queued", data__message_id="ok-other")
    app.test_client().post(other.url, json=body, headers={"Authorization": TOKEN})
    published: list[str] = []
    task = app.extensions["celery"].tasks["flask_fd_whatsapp.handle_event"]
    monkeypatch.setattr(type(task), "apply_async", lambda _, args, **__: published.append(args[0]))
    assert run(system, "sweep") == {"fd_whatsapp": 4, "other": 1}
    assert published == ["fd_whatsapp", "other", *["fd_whatsapp"] * 3]
    other.ledger.engine.dispose()


def test_broker_goes_down(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    """Events that the broker rejects are due as before."""
    for _ in range(3):
        system.post()
    task = system.app.extensions["celery"].tasks["flask_fd_whatsapp.handle_event"]

    def refuse(*_: Any, **__: Any) -> None:
        raise OperationalError("down")

    monkeypatch.setattr(type(task), "apply_async", refuse)
    with pytest.raises(OperationalError):
        run(system, "sweep")
    monkeypatch.undo()
    assert run(system, "sweep") == {"fd_whatsapp": 3}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="There is no fork here.")
def test_events_of_a_sweep_that_was_killed_before_it_published_them(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are handed over a minute later; those that were published may wait for longer."""
    for _ in range(3):
        system.post()
    task = system.app.extensions["celery"].tasks["flask_fd_whatsapp.handle_event"]
    pid = os.fork()
    if pid == 0:
        try:
            monkeypatch.setattr(type(task), "apply_async", lambda *_, **__: os._exit(9))
            run(system, "sweep")
        finally:
            os._exit(1)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 9
    assert run(system, "sweep") == {"fd_whatsapp": 0}
    bring_forward(system, tasks.PUBLISHING_SECONDS)
    assert run(system, "sweep") == {"fd_whatsapp": 3}
    bring_forward(system, tasks.PUBLISHING_SECONDS)
    assert run(system, "sweep") == {"fd_whatsapp": 0}
    bring_forward(system, tasks.WAITING_SECONDS)
    assert run(system, "sweep") == {"fd_whatsapp": 3}


def bring_forward(system: System, seconds: float) -> None:
    """Let reservations end so much sooner."""
    table, sooner = event_table, timedelta(seconds=seconds)
    with system.engine.begin() as connection:
        for event_id, until in connection.execute(select(table.c.id, table.c.reserved_until)).all():
            values = {"reserved_until": until - sooner}
            connection.execute(update(table).where(table.c.id == event_id).values(values))


def test_a_sweep_leaves_the_rest_when_its_time_is_over(system: System) -> None:
    """A sweep leaves the rest to the next when its time is over."""
    system.post()
    assert run(system, "sweep", 0.0) == {"fd_whatsapp": 0}
    assert run(system, "sweep") == {"fd_whatsapp": 1}


def test_unknown_receiver(system: System, caplog: pytest.LogCaptureFixture) -> None:
    """A task for an unknown receiver says so, and does no harm."""
    message_id = system.post()
    assert handle(system, system.event(message_id).id, "other") == "gone"
    assert "no receiver 'other', only fd_whatsapp" in caplog.text
    assert system.event(message_id).state == "pending"


def test_tasks_say_that_they_lack_context(system: System) -> None:
    """Under a Celery app without Flask's task class the tasks say so."""
    bare = Celery("bare")
    for name in ("handle_event", "sweep"):
        arguments = ("fd_whatsapp", 1) if name == "handle_event" else ()
        with pytest.raises(ConfigurationError, match="application context"):
            bare.tasks[f"flask_fd_whatsapp.{name}"].apply(arguments, throw=True)


def test_ledger_down(
    system: System, payload: Payload, caplog: pytest.LogCaptureFixture, tmp_path: Any
) -> None:
    """A ledger that is down is logged once, and does not delay other receivers' events."""
    app = system.app
    down = SQLLedger(create_engine(f"sqlite:///{tmp_path}/none.db"))  # has no tables
    app.config["FD_WHATSAPP_DOWN_HEADERS"] = {"Authorization": TOKEN}
    broken = FreshdeskWhatsApp(
        "down", config_prefix="FD_WHATSAPP_DOWN", url_prefix="/down", ledger=down
    )
    memory = FreshdeskWhatsApp("memory", config_prefix="FD_WHATSAPP_MEMORY", url_prefix="/memory")
    app.config["FD_WHATSAPP_MEMORY_HEADERS"] = {"Authorization": TOKEN}
    app.config["FD_WHATSAPP_MEMORY_LEDGER_URL"] = "memory://"
    for blueprint in (broken, memory):
        app.register_blueprint(blueprint)
    receivers = app.extensions["fd_whatsapp"]
    app.extensions["fd_whatsapp"] = dict(sorted(receivers.items()))
    system.post()
    assert run(system, "sweep") == {"down": 0, "fd_whatsapp": 1, "memory": 0}
    assert handle(system, 1, "down") == "unavailable"
    assert caplog.text.count("flask fd-whatsapp upgrade") == 1
    down.engine.dispose()


def test_retries_are_bounded() -> None:
    """A task is retried with back-off, and gives up before its event is handed over anew."""
    pauses = [[tasks._countdown(number) for _ in range(50)] for number in range(tasks.RETRIES)]
    assert 2.5 <= min(pauses[0]) < max(pauses[0]) <= 5
    assert 30 <= min(pauses[-1]) < max(pauses[-1]) <= 60
    assert sum(max(one) for one in pauses) < tasks.WAITING_SECONDS


def test_two_applications(make_system: MakeSystem, tmp_path: Any) -> None:
    """Each application's events go to its own Celery app."""
    first = make_system("memory://", task_always_eager=True)
    other = first.app.__class__("other")
    other.config["CELERY"] = {"broker_url": "memory://"}
    other.config["HOST_FOLDER"] = str(tmp_path)
    make_celery(other)  # now Celery's default
    connect_handlers(other)
    assert first.event(first.post()).state == "done"
