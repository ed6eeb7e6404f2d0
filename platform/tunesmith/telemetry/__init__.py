"""Seen from outside: health, traces and logs of a process; OpenTelemetry is loaded only where traces are asked for."""
