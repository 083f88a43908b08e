"""The campaign from a CSV file, against a double of Freshdesk's API."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import Result

from examples.campaign.__main__ import CAMPAIGN, KEY, KILLED, LOST, main
from flask_fd_whatsapp.simulator import Account, FreshdeskSimulator, create_api

from ..simulator.servers import serving

HEAD = "customer,phone,name"
ADA, GRACE = "C1,+447700900100,Ada", "C2,+447700900101,Grace"


@pytest.mark.slow
def test_killed_half_way_and_run_again(capfd: pytest.CaptureFixture[str]) -> None:
    """Every customer gets one message, and unknown sends are left alone and listed."""
    assert main() == 0
    lines = capfd.readouterr().out.splitlines()
    assert lines[1:3] == ["It was killed. Once more:", f"{KILLED} before, {40 - KILLED} sent"]
    assert [line.split(" since ")[0] for line in lines[3:5]] == [
        f"{CAMPAIGN}-C{1000 + KILLED} is sending",
        f"{CAMPAIGN}-C{1000 + LOST} is unknown",
    ]
    assert lines[5] == "40 of 40 customers were sent to, 0 of them twice."


class Campaign:
    """A double of the API, and a file of customers."""

    def __init__(self, simulator: FreshdeskSimulator, file: Path) -> None:
        self._simulator = simulator
        self._file = file

    @property
    def sent(self) -> list[str | None]:
        """The references of what was sent."""
        return [one.external_reference_id for one in self._simulator.messages.values()]

    def run(self, *rows: str) -> Result:
        """Run the command with these rows, in a new application."""
        self._file.write_text("\n".join([HEAD, *rows]))
        sys.modules.pop("examples.campaign.app", None)
        app = importlib.import_module("examples.campaign.app").app
        result: Result = app.test_cli_runner().invoke(
            args=["send-campaign", "spring", str(self._file)]
        )
        app.extensions["fd_whatsapp"]["fd_whatsapp"].ledger.engine.dispose()
        return result


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Campaign]]:
    """Starts the double, with trouble, and sets the host up."""
    stops = []

    def start(*trouble: str | None) -> Campaign:
        simulator = FreshdeskSimulator()
        stops.append(serving(create_api(simulator, api_key=KEY, trouble=trouble)))
        settings = {
            "HEADERS": json.dumps({"Authorization": "Bearer s3cret"}),
            "ACCOUNT_IDS": json.dumps([Account().id]),
            "DOMAIN": stops[-1].__enter__(),
            "API_KEY": KEY,
            "SENDER": "+14155550100",
            "LEDGER_URL": f"sqlite:///{tmp_path / 'campaign.db'}",
        }
        for name, value in settings.items():
            monkeypatch.setenv(f"FLASK_FD_WHATSAPP_{name}", value)
        return Campaign(simulator, tmp_path / "customers.csv")

    yield start
    for stop in stops:
        stop.__exit__(None, None, None)


def test_refused_row_is_sent_once_it_is_right(start: Callable[..., Campaign]) -> None:
    """A refused row is shown with the reason, without the number, and delays nobody else."""
    campaign = start()
    done = campaign.run("C1,+44\t7700900100,Ada", GRACE)
    assert (done.exit_code, campaign.sent) == (1, ["spring-C2"])
    assert "spring-C1: to " in done.output
    assert "7700900100" not in done.output
    done = campaign.run(ADA, GRACE)
    assert (done.exit_code, done.output) == (0, "1 sent, 1 before\n")
    assert campaign.sent == ["spring-C2", "spring-C1"]


def test_added_and_sorted_rows(start: Callable[..., Campaign]) -> None:
    """A customer is identified by number, wherever the row is, even if it is there twice."""
    campaign = start()
    assert campaign.run(GRACE).exit_code == 0
    done = campaign.run(ADA, GRACE, ADA)
    assert (done.exit_code, done.output) == (0, "1 sent, 2 before\n")
    assert campaign.sent == ["spring-C2", "spring-C1"]


def test_key_that_is_not_taken_ends_the_run(
    start: Callable[..., Campaign], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the right key the next run continues at the row where it ended."""
    campaign = start()
    with monkeypatch.context() as changed:
        changed.setenv("FLASK_FD_WHATSAPP_API_KEY", "an0therk3y")
        done = campaign.run(ADA, GRACE)
    assert done.exit_code == 1
    assert "Error: spring-C1: Freshdesk does not allow the call" in done.output
    assert campaign.sent == []
    assert campaign.run(ADA, GRACE).output == "2 sent\n"


def test_lost_answer_is_listed_in_every_run(start: Callable[..., Campaign]) -> None:
    """An unknown send is not repeated, and stays in the list."""
    campaign = start("cut-before")
    for outcomes in ("1 unknown, 1 sent", "2 before"):
        done = campaign.run(ADA, GRACE)
        assert done.exit_code == 1
        assert done.output.startswith(f"{outcomes}\nspring-C1 is unknown since 2")
    assert campaign.sent == ["spring-C2"]
