"""``flask fd-whatsapp trigger``: one event, as Freshdesk posts it."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from random import SystemRandom
from typing import Any, Final

import click
from flask import current_app
from flask.cli import with_appcontext
from marshmallow import ValidationError

from ..events import Status
from ..exceptions import LedgerUnavailable
from ..fields import Identifier
from ..freshdesk.ulid import make_ulid
from ..ledger import Message
from ..receiving.receiver import Receiver
from .account_options import account_option, chosen_account
from .event_filters import known_status
from .hanging import calling_handlers
from .options import json_option, receiver_option, shared_ledger
from .output import plain, print_json
from .simulation import headers_of, url_of

_MILLISECOND: Final = 1_000_000


def _identifier(_: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    if value is None:
        return None
    try:
        return str(Identifier().deserialize(value.strip()))
    except ValidationError as error:
        said = " ".join(map(str, error.messages))
        if parameter.name == "status":
            said += f" The documented statuses are {', '.join(Status)}."
        raise click.BadParameter(said, param=parameter) from None


@click.command(
    epilog="\b\nExamples:\n  flask fd-whatsapp trigger READ --reference T1\n"
    "  flask fd-whatsapp trigger FAILED --reference T1 --error-code 131026"
)
@click.argument("status", callback=_identifier)
@click.option(
    "--reference", help="Post it for the newest message with this reference, or for a new one."
)
@click.option(
    "--message",
    "message_id",
    metavar="ID",
    callback=_identifier,
    help="Post it for the message with this id.",
)
@click.option(
    "--error-code", default="131026", show_default=True, help="The error code of a FAILED."
)
@receiver_option
@account_option
@json_option
@with_appcontext
def trigger(
    status: str,
    reference: str | None,
    message_id: str | None,
    error_code: str,
    name: str | None,
    account: str | None,
    as_json: bool,
) -> None:
    """Post one event of STATUS into this application, as Freshdesk would; exit 1 if it is refused.

    STATUS is QUEUED, SENT, DELIVERED, READ, FAILED or one that is not documented. Several calls
    with one --reference make the journey of one message. Handlers are called as usual: do not run
    this against a production ledger. Exit 75 if a handler hangs (FD_WHATSAPP_HANDLER_SECONDS), or
    has not returned 20 seconds after SIGTERM or Ctrl-C.
    """
    from ..simulator.payloads import encode
    from ..simulator.transport import NoAnswer, Outgoing
    from ..simulator.wsgi_transport import WSGITransport

    receiver = chosen_account(name, account)
    app = current_app._get_current_object()  # type: ignore[attr-defined]
    known = _known(receiver, reference, message_id)
    payload = _payload(receiver, known_status(status) or status, known, message_id, reference)
    if "error" in payload["data"]:
        payload["data"]["error"]["code"] = error_code
    form, surplus = headers_of(receiver, ())
    headers = {"Content-Type": "application/json", **form, **surplus}
    transport = WSGITransport(app.wsgi_app, url_of(app, receiver, None))
    try:
        with calling_handlers():
            answer = transport.send(Outgoing(headers=headers, body=encode(payload)))
    except NoAnswer as error:
        raise click.ClickException(plain(f"No answer: {error}")) from None
    if as_json:
        print_json({"status_code": answer.status, "payload": payload})
    else:
        data = payload["data"]
        said = f"{data['status']} of message {data['message_id']}"
        click.echo(plain(f"{said}: answered with {answer.status}."))
    if not answer.is_success:
        if not as_json:
            click.echo("`flask fd-whatsapp check` and the log say why.", err=True)
        raise SystemExit(1)


def _known(receiver: Receiver, reference: str | None, message_id: str | None) -> Message | None:
    """Return the newest message with the id or reference, if the ledger has one."""
    try:
        ledger = shared_ledger(receiver)
        if message_id is not None:
            found = ledger.messages(message_ids=[message_id])
        else:
            found = ledger.messages(external_reference_id=reference) if reference else []
    except LedgerUnavailable:
        return None  # which the answer tells
    ids = receiver.settings.account_ids
    its = [one for one in found if ids is None or one.account_id in ids]
    return its[-1] if its else None


def _payload(
    receiver: Receiver,
    status: str,
    known: Message | None,
    message_id: str | None,
    reference: str | None,
) -> dict[str, Any]:
    from ..simulator.account import Account
    from ..simulator.journey import Step
    from ..simulator.payloads import make_payload

    ids = receiver.settings.account_ids
    account = Account(id=min(ids)) if ids else Account()
    now = int(datetime.now(UTC).timestamp() * 1_000_000) * 1000
    if known is not None:
        message_id, reference = known.message_id, known.external_reference_id or reference
        account = Account(id=known.account_id)
    step = Step(
        status,
        timestamp=now,
        event_time=now,
        error=("131026", "FAILED") if status == Status.FAILED else None,
    )
    return make_payload(
        account,
        account.agents[0],
        message_id or make_ulid(now // _MILLISECOND, SystemRandom()),
        reference or f"trigger-{secrets.token_hex(5)}",
        step,
    )
