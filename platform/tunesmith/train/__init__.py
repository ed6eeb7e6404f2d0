"""FLOW 2: chat JSONL -> tokens and loss mask -> packed rows -> Ray Train workers -> a registered version."""
