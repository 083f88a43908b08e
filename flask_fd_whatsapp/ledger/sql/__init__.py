"""The SQLAlchemy ledger, its tables and its migrations; needs the extra ``sql``."""

from .ledger import SQLLedger
from .tables import include_object, metadata

__all__ = ["SQLLedger", "include_object", "metadata"]
