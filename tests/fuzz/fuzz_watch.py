"""What must never happen, whatever two tenants do; each of these rules has a test that sees it broken."""

import re
from dataclasses import dataclass, field
from typing import Final

from fuzz_draft import CHOSEN, Draft
from fuzz_operation import Operation, Sent, Told
from fuzz_tenant import Tenant, unguessable
from operations_rpc import LEFT

#: What may differ between two answers that say the same: ids of requests, times.
_PASSING: Final = re.compile(
    rb'"request_id":"[^"]*"|[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z|[0-9a-f]{16,}|[0-9]+\.[0-9]+ ?s'
)

#: So much of a violation is told; the rest is the same again.
SHOWN: Final = 2000


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken promise, with what was sent and answered."""

    rule: str
    label: str
    sent: Sent
    told: str

    def __str__(self) -> str:
        body = self.sent.text or self.sent.body[:SHOWN].decode("utf-8", "backslashreplace")
        asked = f"{self.sent.method} {self.sent.path}?{self.sent.query} {body}"
        return f"{self.rule}: {self.label}\n  sent: {asked}\n  told: {self.told[:SHOWN]}"


@dataclass
class Watch:
    """Sees every request and every answer."""

    public: set[bytes] = field(default_factory=set)
    """What everybody is told: examples in documents."""

    owners: dict[bytes, tuple[Tenant, str]] = field(default_factory=dict)
    """Whose each unguessable thing is, and from which operation: of who said it or was told it first."""

    violations: list[Violation] = field(default_factory=list)

    def sending(self, me: Tenant, sent: Sent) -> None:
        for thing in sent.unguessable():
            self.owners.setdefault(thing, (me, "said it"))
            me.sent.add(thing)

    def told(self, me: Tenant, operation: Operation, sent: Sent, told: Told) -> None:
        """No answer holds anything of another tenant, and none is the server's fault."""
        if told.is_broken:
            self._broken("the server's fault", operation, sent, told)
        heard = unguessable(told.data)
        me.heard |= heard if told.is_ok else set()
        for thing in heard - me.sent - self.public:
            owner, whence = self.owners.setdefault(thing, (me, operation.label))
            if owner is not me:
                rule = f"a leak to {me.name} of {thing.decode()}, which {owner.name} has ({whence})"
                self._broken(rule, operation, sent, told)
                return

    def told_stranger(self, operation: Operation, sent: Sent, told: Told) -> None:
        """Whoever does not say who he is gets in nowhere but where nobody is asked."""
        refused = told.status in {"401", "UNAUTHENTICATED"}
        # A2A reads the message first, and may find it wrong.
        refused |= operation.label.startswith("a2a") and not told.is_ok
        # A link is its own leave; and a refusal may come later than the one who asked has left.
        if operation.is_public or told.status == LEFT:
            return
        if not refused:
            self._broken("a stranger was let in", operation, sent, told)
        if unguessable(told.data) & self.owners.keys() - sent.unguessable():
            self._broken("a leak to a stranger", operation, sent, told)

    def same(self, draft: Draft, theirs: Told, nobodys: Told) -> bool:
        """Whether what is another tenant's was answered as what does not exist."""
        assert draft.foreign is not None
        assert draft.missing is not None
        if theirs.is_ok and draft.kind in CHOSEN:  # it has a thing of that name now, too
            return True
        if LEFT in {theirs.status, nobodys.status}:
            return True
        if theirs.is_ok or nobodys.is_ok:
            return theirs.is_ok == nobodys.is_ok and theirs.status == nobodys.status
        return theirs.status == nobodys.status and (
            _said(theirs, draft.foreign) == _said(nobodys, draft.missing)
        )

    def differ(self, operation: Operation, sent: Sent, theirs: Told, nobodys: Told) -> None:
        """What is another tenant's was answered in another way, each time."""
        told = f"{theirs.status} {theirs.data!r}\n  but of what does not exist: "
        told += f"{nobodys.status} {nobodys.data!r}"
        self.violations.append(Violation("not the same answer", operation.label, sent, told))

    def hangs(self, operation: Operation, sent: Sent) -> None:
        self.violations.append(Violation("no answer in time", operation.label, sent, ""))

    def _broken(self, rule: str, operation: Operation, sent: Sent, told: Told) -> None:
        said = f"{told.status} {told.data.decode('utf-8', 'backslashreplace')}"
        self.violations.append(Violation(rule, operation.label, sent, said))


def _said(told: Told, name: str) -> bytes:
    return _PASSING.sub(b"-", told.data.replace(name.encode(), b"that id"))
