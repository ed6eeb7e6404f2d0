"""The fine-tuning resource: jobs, their events, checkpoints and metrics."""
