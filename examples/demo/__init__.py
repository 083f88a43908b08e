"""What ``make demo`` runs: Freshdesk's samples, and a campaign, against two of the examples."""
