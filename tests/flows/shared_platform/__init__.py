"""A package for pytest: its fixture `platform` ends with the last test in here, not with the whole run."""
