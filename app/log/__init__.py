"""The append-only log: the only truth, shared by every process of an installation."""

from app.log.log import Contended, Decider, Log, OlderLog, Outcome
from app.log.subscription import SQLiteSubscription

__all__ = ["Contended", "Decider", "Log", "OlderLog", "Outcome", "SQLiteSubscription"]
