"""A teacher behind an API: a small OpenAI-compatible server over the tiny teacher, and the client's side of it."""
