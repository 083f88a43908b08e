"""The quickstart, with the vendor's samples."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from ..conftest import PAYLOADS, SAMPLES, TOKEN, URL

APP = Path(__file__).parents[2] / "examples" / "quickstart" / "app.py"


@pytest.fixture
def quickstart() -> ModuleType:
    """The module, imported anew: each test disconnects all handlers."""
    spec = importlib.util.spec_from_file_location("quickstart_app", APP)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.app.testing = True
    return module


def post(module: ModuleType, name: str, token: str = TOKEN) -> int:
    answer = module.app.test_client().post(
        URL, data=(PAYLOADS / f"{name}.json").read_bytes(), headers={"Authorization": token}
    )
    status: int = answer.status_code
    return status


def test_quickstart_prints_each_step_once(
    quickstart: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each step forward is printed once, and the stale FAILED is ignored."""
    twice = [name for name in SAMPLES for _ in range(2)]
    assert {post(quickstart, name) for name in twice} == {200}
    assert capsys.readouterr().out.splitlines() == [
        "MM-T1-00001: new -> QUEUED",
        "MM-T1-00001: QUEUED -> SENT",
        "MM-T1-00001: SENT -> DELIVERED",
        "MM-T1-00001: DELIVERED -> READ",
        "MM-T1-00001: FAILED came after READ: it arrived, nothing to do",
    ]


def test_quickstart_tells_why_a_message_failed(
    quickstart: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    """A message that failed before it arrived is printed with the reason."""
    assert [post(quickstart, name) for name in ("sent", "failed")] == [200, 200]
    assert capsys.readouterr().out.splitlines() == [
        "MM-T1-00001: new -> SENT",
        "MM-T1-00001: not delivered (INVALID: FAILED)",
        "MM-T1-00001: SENT -> FAILED",
    ]


def test_wrong_token(quickstart: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is printed for a request that is not Freshdesk's."""
    assert post(quickstart, "queued", token="Bearer guessed") == 401
    assert capsys.readouterr().out == ""


def test_check_of_quickstart(quickstart: ModuleType) -> None:
    """The check finds nothing wrong with it."""
    result = quickstart.app.test_cli_runner().invoke(args=["fd-whatsapp", "check"])
    assert result.exit_code == 0
    assert "All in place." in result.output
