"""What the entries of a script do, when their moment comes."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from typing import Any, cast

from actors.kernel import AskFailed
from actors.messages.lifecycle import StopAll
from actors.messages.trading import CloseTrade, Flatten, OpenTrade, Resume, TradeAccepted
from actors.tree import SUPERVISOR
from adapters.paper.errors import VenueError
from adapters.paper.faults.plan import AnyFault, FaultPlan
from simulation import happenings as happen
from simulation.daemon import VirtualDaemon
from simulation.script import Entry
from simulation.stage import Stage
from simulation.tally import STRAY

RESUME_EVERY = 5.0


class Actions:
    """Carries a script out on a stage."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._acts: Mapping[type, Callable[[Any], None]] = {
            happen.Opens: self._open,
            happen.Closes: self._close,
            happen.Kills: self._kill,
            happen.Moves: self._move,
            happen.Crashes: self._crash,
            happen.Stops: self._stop,
            happen.Raises: self._stage.cast.order,
            happen.Hangs: self._stage.cast.order,
            happen.DiskTrouble: self._disk,
            happen.Partition: self._partition,
            happen.HalfOpen: self._half_open,
            happen.Deafness: self._deaf,
            happen.PhoneOff: self._phone,
            happen.Garbles: self._garble,
            happen.Strays: self._stray,
            happen.SecondInstance: self._second,
        }

    def schedule(self) -> None:
        """Puts every entry on the world's clock."""
        for entry in self._stage.script.entries:
            self._stage.world.at(entry.at, lambda entry=entry: self.do(entry))

    def do(self, entry: Entry) -> None:
        self._stage.trace.note("script", entry.name)
        act = self._acts.get(type(entry.act))
        if act is not None:
            act(entry.act)
        else:
            self._weather(entry.name, cast("AnyFault", entry.act))

    # -- life ----------------------------------------------------------------------------------

    def _open(self, wish: happen.Opens) -> None:
        stage = self._stage
        market = stage.market.exchange.engine.markets[wish.instrument]
        sign = 1 if wish.side == "buy" else -1
        entry = market.mark * (1 - sign * Decimal(str(wish.limit or 0)))

        def price(share: float) -> Decimal:
            return market.instrument.floor_price(entry * (1 + Decimal(f"{share:.6f}")))

        command = OpenTrade(
            at=stage.world.now(),
            instrument=wish.instrument,
            side=wish.side,
            quantity=Decimal(wish.usd),
            unit="usd",
            entry_type="market" if wish.limit is None else "limit",
            price=None if wish.limit is None else price(0.0),
            stop_loss=price(-sign * wish.stop),
            take_profit=None if wish.target is None else price(sign * wish.target),
            break_even_at=None if wish.break_even is None else price(sign * wish.break_even),
            trail=None if wish.trail is None else entry - price(-wish.trail),
        )

        def ask(daemon: VirtualDaemon) -> None:
            answer = _answer(stage, daemon, command)
            if isinstance(answer, TradeAccepted):
                stage.court.acknowledged.add(answer.trade_id)
            stage.trace.note("door", f"{type(answer).__name__} {getattr(answer, 'reasons', '')}")

        stage.knock("door", ask)

    def _close(self, wish: happen.Closes) -> None:
        stage = self._stage
        open_trades = sorted(stage.storage.book().get("trades", {}))
        if open_trades:
            trade_id = open_trades[wish.which % len(open_trades)]
            command = CloseTrade(at=stage.world.now(), trade_id=trade_id)
            stage.knock("door", lambda daemon: _ask_only(stage, daemon, command))

    def _kill(self, wish: happen.Kills) -> None:
        stage = self._stage
        self.kill()
        stage.later(wish.resume_after, self._resume)

    def kill(self) -> None:
        """Kills; from the answer on it is in force, whatever happens."""
        stage = self._stage
        command = Flatten(at=stage.world.now(), reason="the script", by="script")

        def ask(daemon: VirtualDaemon) -> None:
            if _answer(stage, daemon, command) is True:
                stage.kills_in_force = True
                stage.court.kill_accepted_at = stage.now()

        stage.knock("door", ask)

    def _resume(self) -> None:
        stage = self._stage
        command = Resume(at=stage.world.now(), by="script")

        def ask(daemon: VirtualDaemon) -> None:
            # An answer that does not come, or not before a crash, may still have ended it.
            was = stage.kills_in_force, stage.court.kill_accepted_at
            stage.kills_in_force, stage.court.kill_accepted_at = False, None
            answer = _answer(stage, daemon, command)
            if answer is False:
                stage.kills_in_force, stage.court.kill_accepted_at = was
            if answer is not True:
                stage.later(RESUME_EVERY, self._resume)

        if stage.daemon is None:
            stage.later(RESUME_EVERY, self._resume)
        stage.knock("door", ask)

    def _move(self, wish: happen.Moves) -> None:
        for name in self._stage.prices:
            self._stage.prices[name] *= 1 + wish.share

    # -- the machine ---------------------------------------------------------------------------

    def _crash(self, mishap: happen.Crashes) -> None:
        stage = self._stage

        def crash() -> None:
            stage.crash(power_cut=mishap.power_cut)
            stage.later(mishap.down, stage.boot)

        if stage.daemon is not None and stage.crash_at_step is None:
            stage.crash_at_step = stage.world.steps + mishap.steps
            stage.after_crash = crash

    def _stop(self, mishap: happen.Stops) -> None:
        stage = self._stage
        if stage.daemon is not None:
            stage.struck("an ordered stop", mishap.down)
            stop = StopAll(at=stage.world.now(), reason="the script")
            stage.daemon.system.address(SUPERVISOR).tell(stop)

    def _disk(self, mishap: happen.DiskTrouble) -> None:
        stage, disk = self._stage, self._stage.storage.disk
        stage.struck(f"the disk: {mishap.trouble}", mishap.lasts)
        disk.is_full |= mishap.trouble == "full"
        disk.fails |= mishap.trouble == "fails"
        disk.seconds = mishap.seconds if mishap.trouble == "slow" else disk.seconds

        def heal() -> None:
            disk.is_full = disk.fails = False
            disk.seconds = 0.0

        stage.later(mishap.lasts, heal)

    def _partition(self, mishap: happen.Partition) -> None:
        stage, market = self._stage, self._stage.market
        stage.struck("partition", mishap.lasts)
        market.is_partitioned = True

        def heal() -> None:
            market.is_partitioned = False

        stage.later(mishap.lasts, heal)
        stage.later(min(mishap.lasts, 30.0), market.hang_up)

    def _half_open(self, mishap: happen.HalfOpen) -> None:
        del mishap
        self._stage.struck("half open")
        for stream in self._stage.market.streams:
            stream.go_mute()

    def _deaf(self, mishap: happen.Deafness) -> None:
        stage, market = self._stage, self._stage.market
        stage.struck("no notifications", mishap.lasts)
        market.lost_notifications = True

        def hear() -> None:
            market.lost_notifications = False

        stage.later(mishap.lasts, hear)

    def _phone(self, mishap: happen.PhoneOff) -> None:
        phone = self._stage.phone
        phone.is_off = True

        def back() -> None:
            phone.is_off = False

        self._stage.later(mishap.lasts, back)

    def _garble(self, mishap: happen.Garbles) -> None:
        market = self._stage.market

        def garble(params: dict[str, Any]) -> dict[str, Any]:
            if ".sl." not in str(params.get("label", "")):
                return params
            market.garble = None
            self._stage.struck(f"{mishap.field} is dropped from {params['label']}")
            self._stage.court.tally.spoilt.add(params["label"])
            return {name: value for name, value in params.items() if name != mishap.field}

        market.garble = garble

    def _stray(self, mishap: happen.Strays) -> None:
        stage = self._stage
        market = stage.market.exchange.engine.markets[mishap.instrument]
        stage.strays += 1
        with suppress(VenueError):
            stage.market.ask(
                "private/buy",
                instrument_name=mishap.instrument,
                amount=market.instrument.amount(10),
                type="limit",
                price=market.instrument.floor_price(market.mark * Decimal("0.98")),
                label=f"{STRAY}{stage.strays}.tp.1",
            )

    def _second(self, _: happen.SecondInstance) -> None:
        stage = self._stage
        if stage.daemon is not None and stage.storage.take(object()):
            stage.court.accuse("I3", "a second instance got the lock")

    # -- the venue -----------------------------------------------------------------------------

    def _weather(self, name: str, fault: AnyFault) -> None:
        stage, weather = self._stage, self._stage.market.weather
        if weather is None:
            return
        plan = FaultPlan(seed=stage.script.seed, fault=(replace(fault, name=name),))
        weather.faults.add(plan, stage.world.now_ms())
        stage.market.advance()
        lasts = getattr(fault, "lasts", None) or 0
        life_ms = max(fault.until or 0, lasts) or 1
        stage.later(life_ms / 1000, lambda: self._end(name))

    def _end(self, name: str) -> None:
        """Its time is over; what has not struck will not."""
        weather = self._stage.market.weather
        if weather is not None and weather.faults.remove((name,)):
            self._stage.market.advance()


def _answer(stage: Stage, daemon: VirtualDaemon, command: Any) -> Any:
    try:
        return stage.ask(daemon, command)
    except AskFailed:
        return None


def _ask_only(stage: Stage, daemon: VirtualDaemon, command: Any) -> None:
    _answer(stage, daemon, command)
