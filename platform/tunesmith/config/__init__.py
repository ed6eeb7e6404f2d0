"""Every knob, and nothing but knobs: pydantic models that load in milliseconds and import no engine."""
