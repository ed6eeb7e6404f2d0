"""From a question to a prompt with numbered sources, from an answer to checked citations; no HTTP, no engine."""
