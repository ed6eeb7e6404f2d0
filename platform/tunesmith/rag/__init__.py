"""From a question to sources and a prompt, from an answer to checked citations. No HTTP, no engine."""
