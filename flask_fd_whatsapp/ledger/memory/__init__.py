"""The in-memory ledger: bounded, local to one process."""
