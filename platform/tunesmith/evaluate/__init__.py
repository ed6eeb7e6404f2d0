"""FLOW 4: sample x arm -> answer -> scores -> paired comparison -> decision."""
