"""The composition root of webhooks: what sends them, and what the dispatcher does for them."""

from ops_core.a2a.notification import notification
from ops_core.asks.deciding import HookDecisions
from ops_core.services import Services
from ops_core.store import Database, SqlDeliveries
from ops_core.webhooks.deliverer import Deliverer
from ops_core.webhooks.upkeep import DeliveryUpkeep
from ops_core.webhooks.verdict import Patience
from opspawn.settings import Settings


def deliverer_of(settings: Settings, database: Database, services: Services) -> Deliverer:
    """What sends them, in the dispatcher's process, and does what their receivers decide."""
    from opspawn.webhook_sender import egress_sender  # no door needs what goes out

    return Deliverer(
        SqlDeliveries(database),
        egress_sender(settings),
        patience=Patience(
            max_attempts=settings.webhook_max_attempts,
            give_up_s=settings.webhook_give_up_s,
            disable_after_s=settings.webhook_disable_after_days * 86_400,
        ),
        concurrency=settings.webhook_concurrency,
        timeout_s=settings.webhook_timeout_s,
        pushed=notification,
        decisions=HookDecisions(services.approvals, services.inputs, gate=services.gate),
    )


def upkeep_of(settings: Settings, database: Database) -> DeliveryUpkeep:
    """What the dispatcher does for them."""
    return DeliveryUpkeep(SqlDeliveries(database), settings.webhook_retention_days * 86_400)
