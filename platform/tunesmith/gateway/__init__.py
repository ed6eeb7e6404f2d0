"""The HTTP edge: every request enters here."""
