"""The ledger in memory: bounded, one process's."""
