"""The pages behind Flask-Login, with a small week."""

from __future__ import annotations

from pathlib import Path

from examples.pages.app import PASSWORD, create_app
from examples.pages.week import receive_a_week

PAGES = "/freshdesk/whatsapp/dashboard"


def test_a_simulated_week_is_shown_to_who_has_logged_in(tmp_path: Path) -> None:
    """A visitor gets the login, and the lead the week."""
    app = create_app(tmp_path)
    assert receive_a_week(app, tmp_path, messages=20) > 40
    client = app.test_client()
    assert client.get("/").location == f"{PAGES}/"
    answer = client.get(f"{PAGES}/messages")
    assert answer.status_code == 302
    assert "/login?next=" in answer.location
    client.post(answer.location, data={"password": "wrong"})
    assert client.get(f"{PAGES}/").status_code == 302
    answer = client.post(answer.location, data={"password": PASSWORD})
    assert answer.location.startswith(f"{PAGES}/messages")
    assert "spring-preview" in client.get(f"{PAGES}/campaigns").text
    assert client.get(f"{PAGES}/").status_code == 200
