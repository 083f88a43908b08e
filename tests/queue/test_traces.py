from __future__ import annotations

import json
from typing import Any

from ..processes.waiting import wait_until
from .conftest import MakeSystem


def test_celery_worker_has_the_spans_of_what_it_handles(make_system: MakeSystem) -> None:
    """A real worker's attempt at an event has a span, with a child for each handler it calls."""
    system = make_system("redis")
    file = system.folder / "spans"
    system.settings["HOST_SPANS"] = str(file)
    message_id = system.post()
    system.start("solo").wait_until_ready()
    system.wait_for("done", message_id)

    def spans() -> dict[str, Any]:
        found = map(json.loads, file.read_text().splitlines())
        return {one["attributes"].get("fd_whatsapp.handler", one["name"]): one for one in found}

    wait_until(lambda: "fd_whatsapp.handle" in spans(), "the event's span has ended")
    root = spans().pop("fd_whatsapp.handle")
    assert root["attributes"]["fd_whatsapp.message_id"] == message_id
    assert root["attributes"]["fd_whatsapp.attempt"] == 1
    children = [one for one in spans().values() if one["name"] == "fd_whatsapp.handler"]
    assert len(children) == 2
    assert {one["parent_id"] for one in children} == {root["context"]["span_id"]}
