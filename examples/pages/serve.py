"""What ``make run`` serves: the pages of a week that was simulated just now."""

from __future__ import annotations

import tempfile
from pathlib import Path

from .app import PASSWORD, create_app
from .week import receive_a_week

folder = Path(tempfile.mkdtemp(prefix="fd_whatsapp_pages_"))
app = create_app(folder)
count = receive_a_week(app, folder)
print(
    f"{count} events of a simulated week. Look at "
    f"http://127.0.0.1:8000/freshdesk/whatsapp/dashboard/ (the password is {PASSWORD!r}).",
    flush=True,
)
