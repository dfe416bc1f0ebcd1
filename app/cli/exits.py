"""Exit codes, which scripts rely on."""

DONE = 0
"""It was done; the job COMPLETED."""
FAILED = 1
"""The job FAILED; its state forbids what was asked."""
USAGE = 2
"""The input, an option or the configuration is wrong: to do the same again would not help."""
CANCELLED = 3
"""The job was CANCELLED."""
UNREACHABLE = 4
"""No server answers, or it can not serve just now."""
BROKEN_PIPE = 141
"""Whoever read the output stopped reading, as shells have it."""

OF_STATE = {"COMPLETED": DONE, "FAILED": FAILED, "CANCELLED": CANCELLED}
"""For the states in which a job has ended."""
