"""A campaign from a CSV file, sent once to each customer: ``python -m examples.campaign``."""
