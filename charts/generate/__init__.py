"""What is generated from the chart: schema, README, manifests/. `python -m generate` with charts/ on the path."""
