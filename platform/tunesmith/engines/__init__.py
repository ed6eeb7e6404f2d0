"""COMPUTE: embedders and generators behind small protocols; heavy libraries load inside."""
