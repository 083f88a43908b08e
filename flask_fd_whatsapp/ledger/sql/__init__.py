"""The SQLAlchemy ledger, its tables and its migrations; needs the extra ``sql``."""

from .ledger import SQLLedger
from .tables import metadata

__all__ = ["SQLLedger", "metadata"]
