"""The alert e-mail, as a real SMTP server sees it."""

from __future__ import annotations

import logging

import pytest

from flask_fd_whatsapp.simulator import MailServer, Retries
from flask_fd_whatsapp.simulator.alert_mail import Alerts
from flask_fd_whatsapp.simulator.clock import DAY, HOUR, SAMPLES_DAY, nanoseconds

from .conftest import MakeDestination, MakeSimulator
from .servers import Mailbox

BOTH = ["ops@example.org", "admin@example.org"]
ONE_TRY = Retries(delays=())
AT_NINE = nanoseconds(SAMPLES_DAY)


def test_alert_goes_to_the_forms_addresses(
    mailbox: Mailbox,
    mail_server: MailServer,
    make_destination: MakeDestination,
    make_simulator: MakeSimulator,
) -> None:
    """When an event is given up, only the form's addresses are notified."""
    destination = make_destination(500)
    simulator = make_simulator(
        destination.url, emails=BOTH, retries=ONE_TRY, mail_server=mail_server
    )
    simulator.send("MM-1")
    report = simulator.run()
    (recipients, mail), *_ = mailbox.mails
    assert recipients == BOTH
    assert mail["To"] == ", ".join(BOTH)
    assert "failed" in mail["Subject"]
    text = mail.get_payload()
    assert destination.url in text
    assert "answered with 500" in text
    assert report.alerts == len(mailbox.mails)


def test_one_a_day(mailbox: Mailbox, mail_server: MailServer) -> None:
    """Only the first failure of each day (UTC) is reported."""
    alerts = Alerts(mail_server)
    moments = [0, HOUR, 14 * HOUR, 15 * HOUR, 16 * HOUR, 3 * DAY, 3 * DAY + 1]
    sent = [alerts.failed(AT_NINE + moment, BOTH, "https://x.org", "500") for moment in moments]
    assert sent == [True, False, False, True, False, True, False]
    assert [mail["Date"][:16] for _, mail in mailbox.mails] == [
        "Tue, 18 Nov 2025", "Wed, 19 Nov 2025", "Fri, 21 Nov 2025",
    ]  # fmt: skip


def test_one_a_day_of_many_failures(
    mailbox: Mailbox,
    mail_server: MailServer,
    make_destination: MakeDestination,
    make_simulator: MakeSimulator,
) -> None:
    """Concurrent failures cause at most one e-mail a day."""
    simulator = make_simulator(
        make_destination(500).url,
        messages=50,
        emails=BOTH[:1],
        retries=ONE_TRY,
        mail_server=mail_server,
        faults=["burst"],
    )
    report = simulator.run()
    days = [mail["Date"][:16] for _, mail in mailbox.mails]
    assert days
    assert len(days) == len(set(days)) < report.given_up


def test_none_when_later_tries_succeed(
    mailbox: Mailbox,
    mail_server: MailServer,
    make_destination: MakeDestination,
    make_simulator: MakeSimulator,
) -> None:
    """Events delivered by a later attempt cause no e-mail."""
    destination = make_destination(lambda received: 500 if received.number < 4 else 200)
    simulator = make_simulator(destination.url, 10, BOTH, mail_server=mail_server)
    report = simulator.run()
    assert report.tried_again == 3 * report.events
    assert mailbox.mails == []


def test_none_without_addresses(
    mailbox: Mailbox,
    mail_server: MailServer,
    make_destination: MakeDestination,
    make_simulator: MakeSimulator,
) -> None:
    """Without addresses in the form no e-mail is sent."""
    simulator = make_simulator(
        make_destination(500).url, 2, retries=ONE_TRY, mail_server=mail_server
    )
    assert simulator.run().given_up
    assert mailbox.mails == []


def test_no_mail_server(
    caplog: pytest.LogCaptureFixture, mail_server: MailServer, mailbox: Mailbox
) -> None:
    """An e-mail that cannot be sent is logged, and the next failure is reported instead."""
    nobody = MailServer(port=1, timeout=1)
    alerts = Alerts(nobody)
    with caplog.at_level(logging.ERROR):
        assert not alerts.failed(AT_NINE, BOTH, "https://x.org", "500")
    assert "could not be sent" in caplog.text
    alerts._server = mail_server
    assert alerts.failed(AT_NINE, BOTH, "https://x.org", "500")
    assert len(mailbox.mails) == 1
