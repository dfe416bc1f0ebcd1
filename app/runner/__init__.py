"""The runner: takes attempts from the log, runs them as containers, and records how they ended."""
