"""JSONL in and out: validate, build, make."""
