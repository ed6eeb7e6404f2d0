"""FLOW 1: files -> documents -> chunks -> embeddings -> a searchable store."""
