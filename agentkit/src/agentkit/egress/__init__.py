"""The way out: requests to other hosts, made only where a policy lets them go."""

from agentkit.egress.addresses import Resolve, is_public
from agentkit.egress.client import EgressClient, Fetched
from agentkit.egress.policy import EgressFailed, EgressPolicy, EgressRefused

__all__ = [
    "EgressClient",
    "EgressFailed",
    "EgressPolicy",
    "EgressRefused",
    "Fetched",
    "Resolve",
    "is_public",
]
