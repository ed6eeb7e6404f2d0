"""The loop that makes wanted true: served models follow the registry."""
