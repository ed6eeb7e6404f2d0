"""Runners start an attempt at a job somewhere, find it again, and end it. They never import train."""
