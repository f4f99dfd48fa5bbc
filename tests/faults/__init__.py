"""Faults at every step of every flow, and what the database holds of the answers that were given."""
