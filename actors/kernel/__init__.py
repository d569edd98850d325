"""The actor kernel: the only place that imports pykka.

An `Actor` has a visible handler table; an `Address` is the reference that survives restarts;
the mailbox behind it outlives each incarnation; the `Supervisor` starts, watches, restarts and
stops; `System` holds what they share.
"""

from actors.kernel.actor import Actor, HandlerTable
from actors.kernel.address import Address, AskFailed
from actors.kernel.children import ChildSpec, Family
from actors.kernel.policy import SupervisorPolicy
from actors.kernel.process import ExitCode, bounded, run
from actors.kernel.runtime import Future, Timeout
from actors.kernel.supervisor import Supervisor
from actors.kernel.system import Context, System

__all__ = [
    "Actor",
    "Address",
    "AskFailed",
    "ChildSpec",
    "Context",
    "ExitCode",
    "Family",
    "Future",
    "HandlerTable",
    "Supervisor",
    "SupervisorPolicy",
    "System",
    "Timeout",
    "bounded",
    "run",
]
