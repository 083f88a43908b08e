"""The pages behind a login, with a week of simulated campaigns to look at."""
