"""What one job's events ask of the outside and of other jobs: sub-jobs, webhooks, deletion, the end of secrets."""

from app.policies.policies import Policies

__all__ = ["Policies"]
