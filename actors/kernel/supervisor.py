"""The root: starts children in order, restarts the failed, ends the process when it must.

Start is a barrier: the next child is started when the one before has answered `Started`, that
is, when it has recovered. Stop is the reverse, each child with its own budget. A hung thread
cannot be killed, so a hang ends the process; supervisord starts a new one.
"""

import traceback
from collections import deque
from collections.abc import Callable, Sequence
from typing import ClassVar

from pykka import Future

from actors.kernel.actor import Actor, HandlerTable
from actors.kernel.children import NEVER, Child, ChildSpec, Family, State
from actors.kernel.policy import SupervisorPolicy
from actors.kernel.process import ExitCode, dump_threads
from actors.kernel.system import Context
from actors.messages.lifecycle import (
    ChildFailed,
    ChildRestarted,
    ChildStopped,
    GaveUp,
    HealthDue,
    Phase,
    RestartDue,
    StartBudgetDue,
    StartChild,
    Started,
    StopAll,
    StopBudgetDue,
    Stopped,
    Stopping,
)


class Supervisor(Actor):
    """The root actor. ``finished`` is set to the exit code when everything has ended."""

    handlers: ClassVar[HandlerTable] = {}

    def __init__(
        self,
        context: Context,
        *,
        children: Sequence[ChildSpec | Family],
        policy: SupervisorPolicy,
        escalate: Callable[[str], None],
        finished: Future[int],
        derive: Callable[[type[Actor]], type[Actor]] = lambda actor: actor,
    ) -> None:
        super().__init__(context)
        self._policy = policy
        self._escalate = escalate
        self._finished = finished
        self._derive = derive
        self._families: dict[str, tuple[int, Family]] = {}
        self._children: dict[str, Child] = {}
        self._failed_at: deque[float] = deque(maxlen=policy.intensity + 1)
        self._stop_order: StopAll | None = None
        self._over_budget: list[str] = []
        self._is_done = False
        self.to(self.name).is_open = True
        for position, spec in enumerate(children):
            if isinstance(spec, Family):
                self._families[spec.name] = (position, spec)
            else:
                self._add(spec, position, is_permanent=True)

    def recover(self) -> None:
        self.every(self._policy.health_period, HealthDue)
        self._start_next()

    # -- starting ---------------------------------------------------------------------------

    def _add(self, spec: ChildSpec, position: int, *, is_permanent: bool) -> Child:
        child = Child(spec, position, is_permanent)
        self._children[spec.name] = child
        self.to(spec.name).is_open = True
        return child

    def _start_next(self) -> None:
        permanent = [child for child in self._children.values() if child.is_permanent]
        for child in permanent:
            if child.state is State.WAITING:
                self._launch(child)
                return
            if child.state not in {State.RUNNING, State.ENDED}:
                return

    def _launch(self, child: Child) -> None:
        child.state = State.STARTING
        child.incarnation += 1
        child.restart_at = NEVER
        child.answer_by = self.clock.monotonic() + self._policy.start_budget
        context = Context(child.spec.name, child.incarnation, self.system, self.name)
        try:
            self._derive(child.spec.actor).start(context, **child.spec.arguments)
        except BaseException as error:  # noqa: BLE001 (its `__init__` runs here, in the root)
            self._stillborn(child, error)
        self._arm_start_budget()

    def _stillborn(self, child: Child, error: BaseException) -> None:
        trace = "".join(traceback.format_exception(error))
        self.log.error("actor_birth_failed", child=child.spec.name, trace=trace)
        self.on_child_failed(
            ChildFailed(
                at=self.clock.now(),
                name=child.spec.name,
                incarnation=child.incarnation,
                phase=Phase.STARTING,
                error=f"{type(error).__name__}: {error}",
            )
        )

    def _arm_start_budget(self) -> None:
        starting = [c.answer_by for c in self._children.values() if c.state is State.STARTING]
        if starting:
            self.after(max(0.0, min(starting) - self.clock.monotonic()), StartBudgetDue)
        else:
            self.disarm(StartBudgetDue)

    def on_started(self, message: Started) -> None:
        child = self._current(message.name, message.incarnation)
        if child is None or child.state is not State.STARTING:
            return
        child.state = State.RUNNING
        self._arm_start_budget()
        if child.incarnation > 1:
            self.emit(
                ChildRestarted,
                name=message.name,
                incarnation=message.incarnation,
                after_seconds=round(self.clock.monotonic() - child.failed_at, 3),
            )
        if self._stop_order is None:
            self._start_next()

    def on_start_child(self, message: StartChild) -> None:
        refusal = self._start_refusal(message)
        if refusal:
            self.system.dead_letter(self.name, message, refusal)
            if message.name not in self._children and message.name != self.name:
                # Who ordered it may have opened its address already: nobody will read there.
                self.system.forget(message.name)
            return
        position, family = self._families[message.family]
        spec = ChildSpec(
            name=message.name,
            actor=family.actor,
            arguments={**family.arguments, "argument": message.argument},
            stop_budget=family.stop_budget,
            hang_after=family.hang_after,
        )
        self._launch(self._add(spec, position, is_permanent=False))

    def _start_refusal(self, message: StartChild) -> str:
        if self._stop_order is not None:
            return "the daemon is stopping"
        if message.family not in self._families:
            return f"there is no family {message.family!r}"
        if message.name in self._children or message.name == self.name:
            return "an actor of that name is running"
        return ""

    def on_start_budget_due(self, _: StartBudgetDue) -> None:
        now = self.clock.monotonic()
        for child in self._children.values():
            if child.state is State.STARTING and child.answer_by <= now:
                self._hang(child, f"did not start within {self._policy.start_budget:g} s")
                return
        self._arm_start_budget()

    # -- failing ----------------------------------------------------------------------------

    def on_child_failed(self, message: ChildFailed) -> None:
        child = self._current(message.name, message.incarnation)
        if child is None or child.state in {State.FAILED, State.ENDED}:
            return
        self.system.publish(self.name, message)
        now = self.clock.monotonic()
        if self._stop_order is not None:
            self._ended(child)
            self._stop_next()
            return
        child.state = State.FAILED
        child.failures = child.failures + 1 if now - child.failed_at < self._policy.window else 1
        child.failed_at = now
        self._failed_at.append(now)
        if self._policy.is_storm(self._failed_at, now):
            self._give_up(
                f"{len(self._failed_at)} failures within {self._policy.window:g} s, "
                f"the last in {message.name}: {message.error}",
                ExitCode.GAVE_UP,
            )
            return
        wait = self._policy.backoff(child.failures, self.entropy.uniform(-1, 1))
        child.restart_at = now + wait
        self._arm_restart()

    def _arm_restart(self) -> None:
        soonest = min((c.restart_at for c in self._children.values()), default=NEVER)
        if soonest < NEVER:
            self.after(max(0.0, soonest - self.clock.monotonic()), RestartDue)

    def on_restart_due(self, _: RestartDue) -> None:
        now = self.clock.monotonic()
        for child in list(self._children.values()):
            # A child that cannot even be made may end everything in the middle of this.
            if child.state is State.FAILED and child.restart_at <= now and self._stop_order is None:
                self._launch(child)
        self._arm_restart()

    def on_health_due(self, _: HealthDue) -> None:
        now = self.clock.monotonic()
        for child in self._children.values():
            incumbent = self.system.incumbents.get(child.spec.name)
            since = incumbent.working_since if incumbent else None
            if child.state is State.RUNNING and since is not None:
                busy = now - since
                if busy > child.spec.hang_after:
                    self._hang(child, f"has worked on one message for {busy:.1f} s")
                    return

    def _hang(self, child: Child, what: str) -> None:
        dump_threads(f"{child.spec.name} {what}")
        self._give_up(f"{child.spec.name} hangs: it {what}", ExitCode.HUNG)

    def _give_up(self, reason: str, code: ExitCode) -> None:
        if self._stop_order is None:
            self._alarm(reason, code)
            self._begin_stop(StopAll(at=self.clock.now(), reason=reason, exit_code=int(code)))

    def _alarm(self, reason: str, code: ExitCode) -> None:
        # The dead child may be the Alerter or the Registry: this path needs neither.
        try:
            self._escalate(reason)
        except BaseException as error:  # noqa: BLE001 (the way out must not fail on its last alarm)
            self.log.critical("escalation_failed", error=repr(error))
        self.emit(GaveUp, reason=reason, exit_code=int(code))

    # -- stopping ---------------------------------------------------------------------------

    def on_stop_all(self, message: StopAll) -> None:
        if self._stop_order is None:
            self._begin_stop(message)

    def _begin_stop(self, message: StopAll) -> None:
        self._stop_order = message
        self.disarm(StartBudgetDue)
        self.disarm(RestartDue)
        self.emit(Stopping, reason=message.reason)
        for child in self._children.values():
            if child.state in {State.WAITING, State.FAILED}:
                self._ended(child)
        self._stop_next()

    def _ended(self, child: Child) -> None:
        child.state = State.ENDED
        child.restart_at = NEVER
        # Its name takes nothing from now on: no asker shall wait for an answer that never comes.
        self.to(child.spec.name).close()

    def _stop_next(self) -> None:
        alive = [c for c in self._children.values() if c.state is not State.ENDED]
        if not alive:
            self._end()
            return
        last = max(child.position for child in alive)
        together = [child for child in alive if child.position == last]
        for child in together:
            if child.state is not State.STOPPING:
                child.state = State.STOPPING
                child.answer_by = self.clock.monotonic() + child.spec.stop_budget
                self.system.incumbents[child.spec.name].request_stop()
        first = min(child.answer_by for child in together)
        self.after(max(0.0, first - self.clock.monotonic()), StopBudgetDue)

    def on_child_stopped(self, message: ChildStopped) -> None:
        child = self._current(message.name, message.incarnation)
        if child is None:
            return
        self._ended(child)
        if self._stop_order is not None:
            self._stop_next()
        elif not child.is_permanent:
            del self._children[message.name]
            self.system.forget(message.name)

    def on_stop_budget_due(self, _: StopBudgetDue) -> None:
        now = self.clock.monotonic()
        for child in self._children.values():
            if child.state is State.STOPPING and child.answer_by <= now:
                self.log.error("stop_budget_exceeded", child=child.spec.name)
                self._over_budget.append(child.spec.name)
                self._ended(child)
                # Should it come to after all, it must not go on as if nothing had happened.
                self.system.incumbents[child.spec.name].request_stop()
        self._stop_next()

    def _end(self) -> None:
        if self._is_done or self._stop_order is None:
            return
        code = self._stop_order.exit_code
        self.emit(Stopped, exit_code=code, over_budget=tuple(self._over_budget))
        self._finish_with(code)
        self.retire()

    def _finish_with(self, code: int) -> None:
        if not self._is_done:
            self._is_done = True
            self._finished.set(code)

    def _died(self, error: BaseException) -> None:
        """Nobody supervises the root: when it fails, the process ends."""
        super()._died(error)
        reason = f"the supervisor failed: {type(error).__name__}: {error}"
        self._alarm(reason, ExitCode.GAVE_UP)
        for child in self._children.values():
            if child.state in {State.STARTING, State.RUNNING}:
                self.system.incumbents[child.spec.name].request_stop()
        self._finish_with(int(ExitCode.GAVE_UP))

    def _current(self, name: str, incarnation: int) -> Child | None:
        child = self._children.get(name)
        return child if child is not None and child.incarnation == incarnation else None


Supervisor.handlers = {
    Started: Supervisor.on_started,
    ChildFailed: Supervisor.on_child_failed,
    ChildStopped: Supervisor.on_child_stopped,
    StartChild: Supervisor.on_start_child,
    StopAll: Supervisor.on_stop_all,
    HealthDue: Supervisor.on_health_due,
    RestartDue: Supervisor.on_restart_due,
    StartBudgetDue: Supervisor.on_start_budget_due,
    StopBudgetDue: Supervisor.on_stop_budget_due,
}
