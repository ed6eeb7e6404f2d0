"""The vector stores resource: stores, their files and batches, search."""
