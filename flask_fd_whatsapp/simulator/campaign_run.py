"""Plays a campaign from beginning to end, and compares the ledger with it."""

from __future__ import annotations

import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Final

import click

from ..receiving.receiver import Receiver
from .agreement import disagreements
from .clock import moment_of
from .posting import Unreachable
from .simulator import FreshdeskSimulator

INTERRUPTED: Final = "interrupted"


def play(simulator: FreshdeskSimulator, messages: int, campaign: str) -> str | None:
    """Send that many messages and post their events.

    :return: why it ended early, ``None`` if it did not.
    """
    for number in range(1, messages + 1):
        simulator.send(f"{campaign}-{number:05d}")
    try:
        with _progress(simulator):
            simulator.run()
    except KeyboardInterrupt:
        return INTERRUPTED
    except Unreachable as error:
        return str(error)
    return None


@contextmanager
def _progress(simulator: FreshdeskSimulator) -> Generator[None]:
    """Show a progress bar of settled events, if on a terminal."""
    if not sys.stderr.isatty():
        yield
        return
    report, total, done = simulator.report, simulator.report.left, threading.Event()
    with click.progressbar(length=total, label="Posting", file=sys.stderr) as bar:

        def follow() -> None:
            while not done.wait(0.1):
                bar.update(total - report.left - bar.pos)

        follower = threading.Thread(target=follow, daemon=True)
        follower.start()
        try:
            yield
        finally:
            done.set()
            follower.join()
            bar.update(total - report.left - bar.pos)


def compare(
    simulator: FreshdeskSimulator, receiver: Receiver, *, is_here: bool
) -> tuple[list[str], str]:
    """Return where the ledger disagrees, and how far it could be read.

    :param is_here: whether the application that was posted to is in this process.
    """
    messages = simulator.messages.values()
    wrong: dict[str, str] = {}
    try:
        if not (is_here or receiver.ledger.durable):
            return [], "not compared: it is in another process's memory"
        for message, problem in disagreements(receiver.ledger, messages):
            before = f"{wrong[message.id]}; " if message.id in wrong else ""
            wrong[message.id] = before + problem
    except Exception as error:
        return [], f"not compared: it cannot be read ({type(error).__name__})"
    agreeing = len(messages) - len(wrong)
    return [f"{key}: {text}" for key, text in wrong.items()], f"{agreeing} of {len(messages)} agree"


def summary(simulator: FreshdeskSimulator) -> dict[str, Any]:
    """The report, and when the clock started."""
    start = moment_of(simulator.clock.begin).strftime("%Y-%m-%dT%H:%M:%S")
    return {**simulator.report.as_dict(), "start": start}
