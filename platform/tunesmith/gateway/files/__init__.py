"""The files resource: files and uploads in parts, streamed to the object store."""
