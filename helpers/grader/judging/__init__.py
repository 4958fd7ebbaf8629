"""How one submission is judged: cells aligned and run, answers called in the kernel, values compared outside it."""
