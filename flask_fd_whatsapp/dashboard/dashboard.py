"""The blueprint of the pages: routes, guard, headers, and what happens when the ledger is down."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import tzinfo
from importlib.metadata import version
from typing import Any, Final

from flask import Blueprint, Response, current_app, request

from ..exceptions import ConfigurationError, FreshdeskWhatsAppError
from ..ledger.context import EXTENSION
from ..ledger.patience import PAGE_SECONDS, waiting_at_most
from ..ledger_urls import MEMORY_URL
from ..log_fields import get_logger
from ..monitoring.masking import masked_url, without_secrets
from ..time_zones import zone_of
from .account_choice import account_label, resolve_account
from .campaign_views import campaign, campaigns, campaigns_csv
from .failure_views import failures, failures_csv
from .guarding import Gatekeeper, Guard
from .links_out import LinksOut, MessageURL
from .message_views import message, messages, messages_csv
from .operations_page import operations
from .overview_page import overview
from .page_headers import with_headers
from .rendering import render, time_tag
from .shared_results import SharedResults, StillComputing
from .visit import PERIOD_LABELS, Options, Visit

logger = get_logger(__name__)

View = Callable[[Visit], "Page | Response"]
Page = tuple[str, Mapping[str, Any]]
Answer = Response | str | tuple[str, int, Mapping[str, str]]

VIEWS: Final[Mapping[str, View]] = {
    "/": overview,
    "/campaigns": campaigns,
    "/campaigns.csv": campaigns_csv,
    "/campaign": campaign,
    "/failures": failures,
    "/failures.csv": failures_csv,
    "/messages": messages,
    "/messages.csv": messages_csv,
    "/message": message,
    "/operations": operations,
}

NAVIGATION: Final = ("overview", "campaigns", "failures", "messages", "operations")


class Dashboard(Blueprint):
    """Pages that show what became of the messages; read-only, behind the host's own login.

    :param name: the blueprint's name.
    :param guard: called before every request, static files included, in the request's context.
        Only ``True`` itself admits it; ``False`` is a 403, a response is returned, an
        ``HTTPException`` is passed on, and anything else is a 500 and admits nobody.
    :param url_prefix: the pages' URL prefix.
    :param receiver: the name of the only receiver to show; ``None``: all, with a switch.
    :param title: the pages' title.
    :param tz: the time zone of times and days, such as ``"Europe/Berlin"``.
    :param message_url: the host's own page of a message: a URL with ``{external_reference_id}``
        (percent-encoded), or a callable from a :class:`Message` to a URL or ``None``.
    :param message_url_label: the text of that link, such as ``"Ticket {external_reference_id}"``.
    :param show_actors: show the names of agents.
    :param show_payloads: show payloads, quarantined bodies and exceptions' messages.
    :raises ConfigurationError: if one of these is invalid.
    """

    def __init__(
        self,
        name: str = "fd_whatsapp_dashboard",
        *,
        guard: Guard,
        url_prefix: str = "/freshdesk/whatsapp/dashboard",
        receiver: str | None = None,
        title: str = "WhatsApp messages",
        tz: str = "UTC",
        message_url: MessageURL | None = None,
        message_url_label: str | None = None,
        show_actors: bool = False,
        show_payloads: bool = False,
    ) -> None:
        super().__init__(
            name,
            __name__,
            url_prefix=url_prefix,
            template_folder="templates",
            static_folder="static",
        )
        if not callable(guard):
            raise ConfigurationError(
                "guard has to be a function that says whether the visitor may see the pages, such "
                f"as lambda: current_user.is_authenticated, not {type(guard).__name__}."
            )
        self._options = Options(
            title=title,
            zone=_zone(tz),
            zone_name=tz,
            links=LinksOut(message_url, message_url_label),
            show_actors=show_actors is True,
            show_payloads=show_payloads is True,
            receiver=receiver,
        )
        self._results = SharedResults()
        self.before_request(Gatekeeper(guard, name).admit)
        self.after_request(with_headers)
        self.register_error_handler(FreshdeskWhatsAppError, self._unavailable)
        for rule, view in VIEWS.items():
            self.add_url_rule(rule, view.__name__, self._shown(view), methods=["GET"])

    def _shown(self, view: View) -> Callable[[], Answer]:
        def show() -> Answer:
            visit = Visit.begin(self._options, self._results)
            try:
                with waiting_at_most(PAGE_SECONDS):
                    resolve_account(visit)
                    made = view(visit)
                    # Templates need the names of accounts, which others may be looking up.
                    return made if isinstance(made, Response) else self._rendered(visit, *made)
            except StillComputing:
                page = self._rendered(visit, "still-counting.html", {})
                return page, 503, {"Retry-After": "10"}

        return show

    def _rendered(self, visit: Visit, template: str, context: Mapping[str, Any]) -> str:
        zone, now = visit.options.zone, visit.now
        return render(
            template,
            {
                "visit": visit,
                "link": visit.link,
                "same": visit.same,
                "when": lambda moment, form=None: time_tag(moment, zone, now, form),
                "account_label": lambda account_id: account_label(visit, account_id),
                "period_labels": PERIOD_LABELS,
                **self._frame(),
                **context,
            },
        )

    def _frame(self) -> dict[str, Any]:
        endpoint = str(request.endpoint).rpartition(".")[2]
        return {
            "options": self._options,
            "navigation": NAVIGATION,
            "here": _SECTIONS.get(endpoint, endpoint),
            "is_exact": endpoint in NAVIGATION,
            "package_version": version("flask_fd_whatsapp"),
        }

    def _unavailable(self, error: FreshdeskWhatsAppError) -> tuple[str, int, dict[str, str]]:
        """The page if the ledger is down, or its tables are missing or outdated: never a 500."""
        logger.warning("The pages cannot read the ledger: %s", type(error).__name__)
        receivers = _receivers_of_application()
        urls = [one.settings.ledger_url for one in receivers]
        shown = {
            **self._frame(),
            "error": without_secrets(str(error), receivers),
            "urls": sorted({masked_url(one) for one in urls if one != MEMORY_URL}),
        }
        return render("ledger-down.html", shown), 503, {"Retry-After": "30"}


_SECTIONS: Final = {"campaign": "campaigns", "message": "messages"}
"""The page of the navigation that another page belongs to."""


def _receivers_of_application() -> list[Any]:
    return list(current_app.extensions.get(EXTENSION, {}).values())


def _zone(name: str) -> tzinfo:
    try:
        return zone_of(name)
    except (ValueError, TypeError) as error:
        raise ConfigurationError(f"tz: {error}") from None
