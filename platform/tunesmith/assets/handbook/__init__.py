"""The handbook of Halden Loom Works, an invented company: the sample corpus."""
