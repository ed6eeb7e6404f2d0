"""Ray's job API behind the platform's keys."""
