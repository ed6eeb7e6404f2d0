"""REMEMBER: metadata, bytes, vectors, versions. Protocols stand apart from their backends."""
