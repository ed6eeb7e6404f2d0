"""Desired and observed state, attempts, fencing."""
