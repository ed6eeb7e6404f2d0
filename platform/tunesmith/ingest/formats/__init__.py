"""Readers: one file a format, from bytes to text with headings (`#`) and list items (`-`)."""
