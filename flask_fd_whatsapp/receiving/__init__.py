"""The way in: from a request to a recorded and handled event, and its answer."""
