"""Everything with an effect: the log, the API, the runner, the command line."""

__version__ = "0.1.0"
