"""What ``check`` reports about the broker."""

from __future__ import annotations

import pytest
from celery import Celery
from flask import Flask

from flask_fd_whatsapp.queue import broker_problem

from .brokers import connection, fresh_queue
from .host import make_celery
from .proxy import Proxy


def make_app(**config: object) -> Flask:
    app = Flask("host")
    app.config["CELERY"] = config
    make_celery(app)
    return app


@pytest.mark.parametrize("broker", ["rabbitmq", "redis"])
def test_answering_broker_is_no_problem(broker: str) -> None:
    """A working broker is not reported, and no queue is created there."""
    with fresh_queue(broker) as config:
        assert broker_problem(make_app(**config)) is None
        if broker == "rabbitmq":
            with connection(config) as opened, pytest.raises(opened.channel_errors):
                opened.default_channel.queue_declare(config["task_default_queue"], passive=True)


@pytest.mark.parametrize(
    "url", ["amqp://me:s%3Acret@127.0.0.1:{}//", "redis://:s%3Acret@127.0.0.1:{}/0"]
)
def test_broker_down_is_named_without_password(url: str) -> None:
    """A broker that is down is named without its password."""
    problem = broker_problem(make_app(broker_url=url.format(Proxy(None).port)))
    assert problem is not None
    assert "127.0.0.1" in problem
    assert "refused" in problem
    assert "cret" not in problem


@pytest.mark.parametrize("url", ["nonsense://127.0.0.1", "amqp://guest:wrong@127.0.0.1//"])
def test_wrong_broker_url_is_a_problem(url: str) -> None:
    """An unknown URL, or a wrong password, is a problem without the password."""
    problem = broker_problem(make_app(broker_url=url))
    assert problem is not None
    assert "broker" in problem
    assert "wrong" not in problem


def test_check_says_where_a_celery_app_belongs() -> None:
    """For an application without a Celery app, it says where that belongs."""
    assert 'app.extensions["celery"]' in str(broker_problem(Flask("host")))


def test_tasks_without_context_fail_the_check() -> None:
    """A Celery app whose tasks get no application context is a problem."""
    app = Flask("host")
    app.extensions["celery"] = Celery("host", broker="memory://")
    assert "application context" in str(broker_problem(app))


def test_handlers_within_the_request_fail_the_check() -> None:
    """Handlers that run within the request are a problem."""
    problem = broker_problem(make_app(broker_url="memory://", task_always_eager=True))
    assert "task_always_eager" in str(problem)
