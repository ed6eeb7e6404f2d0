"""Batches: a file of requests, answered line by line, each line once; driven by the controller."""
