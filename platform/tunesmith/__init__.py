"""Tunesmith: documents and examples in, a served, cited, measured assistant out."""

__version__ = "0.1.0"
