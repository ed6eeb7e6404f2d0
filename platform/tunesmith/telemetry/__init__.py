"""Seen from outside: traces and logs of every process; OpenTelemetry is loaded only where traces are asked for."""
