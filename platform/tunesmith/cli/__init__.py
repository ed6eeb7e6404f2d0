"""One short file per command; heavy imports only after parsing."""
