"""What the package costs, measured against a route that does nothing with the same POST."""
