"""From a question to a prompt with numbered sources, and from an answer to checked citations. No HTTP, no engine."""
