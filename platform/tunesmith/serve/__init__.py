"""FLOW 3: the Ray Serve applications: engine (vLLM), embedder, answer (retrieval to checked citations)."""
