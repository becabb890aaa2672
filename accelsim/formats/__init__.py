"""Number formats: what numbers exist."""
