"""A host application with many accounts, which are in a file that can change while it runs."""

from __future__ import annotations

import json
import os
from pathlib import Path

from flask import Flask

from flask_fd_whatsapp import Account, FreshdeskWhatsApp


def find_account(key: str) -> Account | None:
    """The account as the file has it: its token and its id."""
    accounts = json.loads((Path(os.environ["HOST_FOLDER"]) / "accounts.json").read_text())
    if key not in accounts:
        return None
    token, account_id = accounts[key]
    return Account({"Authorization": token}, [account_id])


app = Flask(__name__)
app.config.from_prefixed_env()
app.register_blueprint(FreshdeskWhatsApp(accounts=find_account))
