"""The plan: what the settings mean for the actors."""

from decimal import Decimal
from pathlib import Path

from actors import tree
from actors.desk_sources import DeskFacts
from actors.strategist import Sizing
from adapters.deribit.channels import account_channels, ticker_channel
from commands.facts import VERSION, restarted_by
from config.kinds import Env
from config.script import read_script
from config.settings import Settings, describe
from domain.risk import Limits
from domain.steps import BracketPolicy
from domain.strategies import BreakoutSettings, ScriptLine

PAPER_BAR_MS = 2_000
LEAST_BAR_MS = 200
PAPER_REST_BARS = 15
PAPER_REGIME_BARS = 150
PAPER_TRADE_USD = Decimal(2_500)
"""How long the toy rests after a signal on synthetic prices, and how much it trades on paper.

Bars of two seconds lose to fees: 0.07 % a round trip, on trades that win or lose about as much. At
the size of the limits that reached a day's loss within the hour; like this a night costs a
fraction of a per cent.
"""


def script_of(settings: Settings) -> tuple[ScriptLine, ...]:
    """What ``STRATEGIES=script:<file>`` plays.

    Raises:
        ScriptInvalid: a file is missing or wrong.
    """
    return tuple(line for path in scripts(settings) for line in read_script(path))


def scripts(settings: Settings) -> list[Path]:
    """The files of ``STRATEGIES=script:<file>``."""
    return [Path(x.partition(":")[2]) for x in settings.strategies if x.startswith("script:")]


def _breakout(settings: Settings) -> BreakoutSettings | None:
    """One-minute bars; on paper much shorter ones, so that trades happen within a minute."""
    if "breakout" not in settings.strategies:
        return None
    if not settings.is_paper:
        return BreakoutSettings()
    return BreakoutSettings(
        bar_ms=max(LEAST_BAR_MS, round(PAPER_BAR_MS / settings.paper_speed)),
        lookback=5,
        atr_period=4,
        stop_atr=Decimal(1),
        target_atr=Decimal("1.5"),
        regime_bars=PAPER_REGIME_BARS,
        rest_bars=PAPER_REST_BARS if settings.paper_feed == "synthetic" else 0,
    )


def _sizing(settings: Settings) -> Sizing:
    """By risk, within the limit; small on paper, unless somebody named one of the two."""
    named = settings.model_fields_set & {"risk_per_trade_pct", "max_notional_usd"}
    is_small = settings.is_paper and not named
    limit = settings.max_notional_usd
    return Sizing(
        risk_per_trade_pct=settings.risk_per_trade_pct,
        max_notional_usd=min(limit, PAPER_TRADE_USD) if is_small else limit,
    )


def plan_of(settings: Settings, script: tuple[ScriptLine, ...]) -> tree.Plan:
    """Everything the actors are told at birth."""
    names = settings.instruments
    return tree.Plan(
        instruments=names,
        channels=(*account_channels(), *(ticker_channel(name) for name in names)),
        limits=Limits(
            max_daily_loss_pct=settings.max_daily_loss_pct,
            max_open_trades=settings.max_open_trades,
            max_trades_per_instrument=settings.max_trades_per_instrument,
            max_notional_usd=settings.max_notional_usd,
            initial_equity_usd=settings.initial_equity,
        ),
        sizing=_sizing(settings),
        timezone=settings.timezone,
        policy=BracketPolicy(
            stop_retries=settings.stop_retries,
            protection_deadline=settings.protection_deadline_seconds,
        ),
        stop_trigger=settings.stop_trigger,
        bracket=settings.bracket.value,
        breakout=_breakout(settings),
        script=script,
        position_poll=settings.position_poll_seconds,
        orphan_sweep=settings.orphan_sweep_seconds,
        forbid_wallet_write=settings.deribit_env is Env.PROD,
        foreign_positions=settings.foreign_positions.value,
        foreign_stop_pct=settings.foreign_stop_pct,
        desk=_desk_facts(settings),
        alert_repeat=_alert_repeat(settings),
        report_at=settings.daily_report_at,
    )


def _alert_repeat(settings: Settings) -> float:
    """Seconds; 0 where nobody could acknowledge an alert."""
    can_be_acknowledged = settings.telegram_bot_token and settings.telegram_user_ids
    return settings.alert_repeat_minutes * 60.0 if can_be_acknowledged else 0.0


def _desk_facts(settings: Settings) -> DeskFacts:
    return DeskFacts(
        version=VERSION,
        env=str(settings.deribit_env),
        timezone=settings.timezone,
        report_at=settings.daily_report_at,
        poll_seconds=settings.position_poll_seconds,
        settings=tuple((row.key, row.value) for row in describe(settings)),
        telegram_users=frozenset(str(x) for x in settings.telegram_user_ids),
        restarted_by=restarted_by(),
    )
