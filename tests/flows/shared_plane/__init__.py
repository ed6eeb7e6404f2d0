"""A package for pytest: its fixture `plane` ends with the last test in here, not with the whole run."""
