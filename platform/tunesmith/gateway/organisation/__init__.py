"""The organisation resource: projects, users, service accounts, keys, reports."""
