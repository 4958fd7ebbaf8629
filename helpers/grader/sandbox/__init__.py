"""Where students' code runs: isolated kernels forked from a warm process, and a check of what this host can isolate."""
