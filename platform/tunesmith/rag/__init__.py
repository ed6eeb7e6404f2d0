"""From a question to a prompt with numbered sources, from an answer to checked citations. No HTTP, no engine."""
