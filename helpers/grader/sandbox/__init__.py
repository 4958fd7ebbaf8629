"""Where student code runs: a locked-in kernel, forked from a warm process, and what this host can do for it."""
