"""FLOW 5: from one configuration to a running release, and what it would take for more."""
