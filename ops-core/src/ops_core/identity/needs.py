"""Which scope each operation of the doors needs: the one place where that is said.

An operation is the function of a REST route, and the method of an RPC in the same spelling (`GetTask` is
`get_task`), so both doors ask for the same. One that is missing here is let in for nobody, and a test
compares the table with every route and RPC.
"""

from dataclasses import dataclass
from typing import Final

from ops_core.errors import MissingScope
from ops_core.principal import Principal
from ops_core.scopes import Scope


@dataclass(frozen=True, slots=True)
class Need:
    """What an operation asks of its caller."""

    scope: Scope

    also: Scope | None = None
    """What it does besides, which would otherwise be a way around that scope."""

    audited: bool = False
    """Whether the audit log is told before it is done. What changes keys and tenants tells it itself."""

    @property
    def scopes(self) -> tuple[Scope, ...]:
        """All that the caller must have."""
        return (self.scope,) if self.also is None else (self.scope, self.also)


#: Needs nobody: it says how the process is, and nothing of what it holds; or it is a signed link, which is
#: its own leave for the one decision that it was made for.
PUBLIC: Final = frozenset({"health", "ready", "show_link", "use_link"})

#: What the audit log is told of besides: a link stands for whoever had it made, and a webhook that decides,
#: which comes through no door, for whoever let it.
AUDITED_BESIDES: Final = frozenset({"use_link", "decide_by_webhook"})

#: Of use when the store is away above all: then whoever asked last for it is let in with the same key or
#: token, though nobody can say whether that was revoked meanwhile.
WITHOUT_STORE: Final = frozenset({"metrics"})

NEEDS: Final[dict[str, Need]] = {
    # Tasks. What is done to one that is there answers with it, so it needs leave to read as well.
    "create_task": Need(Scope.TASKS_WRITE),
    "list_tasks": Need(Scope.TASKS_READ),
    "get_task": Need(Scope.TASKS_READ),
    "list_task_events": Need(Scope.TASKS_READ),
    "list_events": Need(Scope.TASKS_READ),
    "watch_task": Need(Scope.TASKS_READ),
    "list_steps": Need(Scope.TASKS_READ),
    "list_children": Need(Scope.TASKS_READ),
    "cancel_task": Need(Scope.TASKS_WRITE, also=Scope.TASKS_READ, audited=True),
    "retry_task": Need(Scope.TASKS_WRITE, also=Scope.TASKS_READ, audited=True),
    "fork_task": Need(Scope.TASKS_WRITE, also=Scope.TASKS_READ),
    "send_input": Need(Scope.TASKS_WRITE, also=Scope.TASKS_READ, audited=True),
    "resolve_effect": Need(Scope.APPROVALS_RESOLVE, also=Scope.TASKS_READ, audited=True),
    "resolve_approval": Need(Scope.APPROVALS_RESOLVE, also=Scope.TASKS_READ, audited=True),
    # What tasks ask people.
    "list_approvals": Need(Scope.TASKS_READ),
    "get_approval": Need(Scope.TASKS_READ),
    "resolve_approval_by_id": Need(Scope.APPROVALS_RESOLVE, also=Scope.TASKS_READ, audited=True),
    "decide_approval": Need(Scope.APPROVALS_RESOLVE, also=Scope.TASKS_READ, audited=True),
    "create_approval_link": Need(Scope.APPROVALS_RESOLVE, also=Scope.TASKS_READ, audited=True),
    "list_inputs": Need(Scope.TASKS_READ),
    "get_input": Need(Scope.TASKS_READ),
    "answer_input": Need(Scope.TASKS_WRITE, also=Scope.TASKS_READ, audited=True),
    # Dead letters.
    "list_dead_letters": Need(Scope.TASKS_READ),
    "retry_dead_letter": Need(Scope.TASKS_WRITE, also=Scope.TASKS_READ, audited=True),
    "discard_dead_letter": Need(Scope.TASKS_WRITE, also=Scope.TASKS_READ, audited=True),
    # Agents and threads.
    "create_agent": Need(Scope.AGENTS_WRITE, audited=True),
    "put_agent": Need(Scope.AGENTS_WRITE, audited=True),
    "archive_agent": Need(Scope.AGENTS_WRITE, audited=True),
    "list_agents": Need(Scope.AGENTS_READ),
    "get_agent": Need(Scope.AGENTS_READ),
    "list_agent_versions": Need(Scope.AGENTS_READ),
    "get_agent_version": Need(Scope.AGENTS_READ),
    "create_thread": Need(Scope.TASKS_WRITE),
    "fork_thread": Need(Scope.TASKS_WRITE),
    "archive_thread": Need(Scope.TASKS_WRITE, audited=True),
    "list_threads": Need(Scope.TASKS_READ),
    "get_thread": Need(Scope.TASKS_READ),
    "list_messages": Need(Scope.TASKS_READ),
    # Schedules. What they submit is work like any other.
    "create_schedule": Need(Scope.SCHEDULES_WRITE, also=Scope.TASKS_WRITE, audited=True),
    "change_schedule": Need(Scope.SCHEDULES_WRITE, also=Scope.TASKS_WRITE, audited=True),
    "delete_schedule": Need(Scope.SCHEDULES_WRITE, audited=True),
    "pause_schedule": Need(Scope.SCHEDULES_WRITE, audited=True),
    "resume_schedule": Need(Scope.SCHEDULES_WRITE, audited=True),
    "trigger_schedule": Need(Scope.SCHEDULES_WRITE, also=Scope.TASKS_WRITE, audited=True),
    "list_schedules": Need(Scope.SCHEDULES_READ),
    "get_schedule": Need(Scope.SCHEDULES_READ),
    "list_upcoming": Need(Scope.SCHEDULES_READ),
    "list_firings": Need(Scope.SCHEDULES_READ),
    # Webhooks. What is sent there is what tasks have done.
    "create_webhook": Need(Scope.WEBHOOKS_WRITE, also=Scope.TASKS_READ, audited=True),
    "change_webhook": Need(Scope.WEBHOOKS_WRITE, also=Scope.TASKS_READ, audited=True),
    "delete_webhook": Need(Scope.WEBHOOKS_WRITE, audited=True),
    "rotate_webhook_secret": Need(Scope.WEBHOOKS_WRITE, audited=True),
    "test_webhook": Need(Scope.WEBHOOKS_WRITE, audited=True),
    "redeliver": Need(Scope.WEBHOOKS_WRITE, audited=True),
    "list_webhooks": Need(Scope.WEBHOOKS_READ),
    "get_webhook": Need(Scope.WEBHOOKS_READ),
    "list_webhook_deliveries": Need(Scope.WEBHOOKS_READ),
    "list_task_deliveries": Need(Scope.WEBHOOKS_READ),
    "get_delivery": Need(Scope.WEBHOOKS_READ),
    # Memories. What is added answers with what was there already, so it needs leave to read as well.
    "create_memory": Need(Scope.MEMORIES_WRITE, also=Scope.MEMORIES_READ, audited=True),
    "delete_memory": Need(Scope.MEMORIES_WRITE, audited=True),
    "delete_memories": Need(Scope.MEMORIES_WRITE, audited=True),
    "list_memories": Need(Scope.MEMORIES_READ),
    "get_memory": Need(Scope.MEMORIES_READ),
    # What may run, and what may be spent.
    "put_limit": Need(Scope.BUDGETS_WRITE, audited=True),
    "delete_limit": Need(Scope.BUDGETS_WRITE, audited=True),
    "list_limits": Need(Scope.BUDGETS_READ),
    "get_limit": Need(Scope.BUDGETS_READ),
    "put_budget": Need(Scope.BUDGETS_WRITE, audited=True),
    "delete_budget": Need(Scope.BUDGETS_WRITE, audited=True),
    "list_budgets": Need(Scope.BUDGETS_READ),
    "get_budget": Need(Scope.BUDGETS_READ),
    # Identity.
    "create_api_key": Need(Scope.KEYS_ADMIN),
    "list_api_keys": Need(Scope.KEYS_ADMIN),
    "get_api_key": Need(Scope.KEYS_ADMIN),
    "rotate_api_key": Need(Scope.KEYS_ADMIN),
    "revoke_api_key": Need(Scope.KEYS_ADMIN),
    "create_tenant": Need(Scope.TENANTS_ADMIN),
    "list_tenants": Need(Scope.TENANTS_ADMIN),
    "disable_tenant": Need(Scope.TENANTS_ADMIN),
    "enable_tenant": Need(Scope.TENANTS_ADMIN),
    "get_tenant_limits": Need(Scope.TENANTS_ADMIN),
    "put_tenant_limits": Need(Scope.TENANTS_ADMIN),
    "delete_tenant_limits": Need(Scope.TENANTS_ADMIN),
    "list_audit": Need(Scope.AUDIT_READ),
    # The workers of all tenants, and how all of it stands.
    "metrics": Need(Scope.METRICS_READ),
    "list_workers": Need(Scope.WORKERS_READ),
    "get_worker": Need(Scope.WORKERS_READ),
    "drain_worker": Need(Scope.WORKERS_WRITE, also=Scope.WORKERS_READ, audited=True),
}

#: What a webhook that decides may do: approve a call, and answer a question.
DECIDING: Final = tuple(
    dict.fromkeys(NEEDS["resolve_approval_by_id"].scopes + NEEDS["answer_input"].scopes)
)


def check_needs(who: Principal, operation: str) -> None:
    """Raises `MissingScope`.

    A KeyError, for an operation that nobody wrote down, is a bug: the door answers it as one.
    """
    _check(who, NEEDS[operation].scopes)


def check_webhook(who: Principal, webhook: object) -> None:
    """A task that brings a webhook of its own needs leave for that as well. Raises `MissingScope`.

    Only its body says so: the doors ask when they have read it. `webhook` is as it was sent, in a schedule
    not parsed yet.
    """
    if webhook is None:
        return
    _check(who, (Scope.WEBHOOKS_WRITE,))
    sent = (
        webhook.get("decides") if isinstance(webhook, dict) else getattr(webhook, "decides", False)
    )
    check_decides(who, sent is True)


def check_decides(who: Principal, decides: bool) -> None:
    """Whoever lets a webhook decide must be let in to decide himself. Raises `MissingScope`."""
    if decides:
        _check(who, DECIDING)


def _check(who: Principal, scopes: tuple[Scope, ...]) -> None:
    missing = next((scope for scope in scopes if not who.may(scope)), None)
    if missing is not None:
        raise MissingScope(missing)
