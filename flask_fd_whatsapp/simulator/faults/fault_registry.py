"""Every fault, in the order in which they are applied."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

from ..posts import Manner
from . import event_faults as events
from . import journey_faults as journeys
from . import request_faults as requests
from .fault import Fault, UnknownFault

ALL: Final = "all"
PROBE_ON_SAVE: Final = "probe-on-save"

_FAULTS: Final = (
    Fault(
        name="skipped-delivered",
        description="READ arrives without a preceding DELIVERED.",
        on_steps=journeys.skip_delivered,
    ),
    Fault(
        name="failed-then-delivered",
        description="A message fails, and is delivered anyway.",
        on_steps=journeys.fail_then_deliver,
    ),
    Fault(
        name="delivered-then-failed",
        description="A message is delivered, and then reported as failed.",
        on_steps=journeys.deliver_then_fail,
    ),
    Fault(
        name="unknown-status",
        description="Undocumented statuses, such as ACCEPTED or PLAYED.",
        on_steps=journeys.add_unknown_status,
    ),
    Fault(
        name="late",
        description="Events arrive hours or days late, with a new event_time.",
        on_posts=events.be_late,
    ),
    Fault(
        name="out-of-order",
        description="The events of a message arrive in the wrong order.",
        on_posts=events.be_out_of_order,
    ),
    Fault(
        name="unknown-fields",
        description="Undocumented fields.",
        on_posts=events.add_unknown_fields,
    ),
    Fault(
        name="missing-fields",
        description="Optional fields are missing.",
        on_posts=events.leave_out_fields,
    ),
    Fault(
        name="numeric-ids",
        description="Ids and error codes are numbers instead of strings.",
        on_posts=events.use_numbers,
    ),
    Fault(
        name="duplicates",
        description="Events are posted twice, at once or later.",
        on_posts=events.duplicated(25),
    ),
    Fault(
        name="malformed-body",
        description="Broken copies of events are posted as well.",
        on_posts=events.garble,
    ),
    Fault(
        name="burst",
        description="Events are held back for half an hour, then posted together.",
        on_posts=events.burst,
    ),
    Fault(
        name="content-type",
        description="Requests have another content type, or none.",
        on_posts=requests.other_content_type,
    ),
    Fault(
        name="wrong-token",
        description="The first attempt has wrong headers.",
        on_posts=requests.wrong_token,
    ),
    Fault(
        name="slow-sender",
        description="The first attempt sends its body in small pieces.",
        on_posts=requests.sent(Manner.SLOW, 3),
    ),
    Fault(
        name="cut-before-answer",
        description="The first attempt's connection is cut before the answer is read.",
        on_posts=requests.sent(Manner.CUT_BEFORE_ANSWER, 5),
    ),
    Fault(
        name="cut-after-answer",
        description="The first attempt's answer is read, but lost as the connection is cut.",
        on_posts=requests.sent(Manner.CUT_AFTER_ANSWER, 5),
    ),
    Fault(
        name=PROBE_ON_SAVE,
        description="Saving the form sends a GET, a HEAD and an empty POST.",
    ),
)

FAULTS: Final[Mapping[str, Fault]] = MappingProxyType({fault.name: fault for fault in _FAULTS})


def chosen(faults: Iterable[str | Fault]) -> list[Fault]:
    """Return the chosen faults in the order in which they are applied, custom ones last.

    :param faults: names, ``all`` for every fault, or custom faults, which replace those of the same
        name.
    :raises UnknownFault: for an unknown name, with the list.
    """
    wanted = [faults] if isinstance(faults, str) else list(faults)
    own = {fault.name: fault for fault in wanted if isinstance(fault, Fault)}
    names = [fault for fault in wanted if isinstance(fault, str)]
    for name in names:
        if name != ALL and name not in FAULTS:
            raise UnknownFault(
                f"There is no fault {name!r}. The faults are {', '.join(FAULTS)}; {ALL} chooses "
                "every one."
            )
    known = FAULTS if ALL in names else {*names, *own}
    return [
        *(own.get(name, fault) for name, fault in FAULTS.items() if name in known),
        *(fault for name, fault in own.items() if name not in FAULTS),
    ]
