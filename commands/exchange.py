"""`run.py exchange`: the paper exchange alone."""

import sys
from dataclasses import replace
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from actors.kernel import ExitCode
from adapters.paper.faults.plan import FaultPlan
from adapters.paper.faults.reading import PlanInvalid, read_plan
from adapters.paper.fees import STANDARD, Fees
from adapters.paper.server import PaperServer, PaperSettings
from adapters.paper.switches import switched
from commands.common import fail, not_started, number, open_log, read_settings, refused, tell
from commands.recorded import recorded
from config.logs import register_secret
from config.model import PAPER_LOGIN
from config.settings import Settings
from domain.moments import REPLAY_FORM


def exchange(  # noqa: PLR0917 (Typer reads the options from the signature)
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port on 127.0.0.1; 0 takes any.")
    ] = None,
    feed: Annotated[
        str, typer.Option(help=f"synthetic, replay:<file>, or replay:{REPLAY_FORM}.")
    ] = "",
    speed: Annotated[str, typer.Option(help="Market time over wall time.")] = "",
    seed: Annotated[int | None, typer.Option(help="Seed of synthetic prices.")] = None,
    balance: Annotated[
        list[str] | None, typer.Option(help="Balance of a new account, such as BTC=1. Repeatable.")
    ] = None,
    client_id: Annotated[str, typer.Option(help="What clients log in with: paper.")] = "",
    client_secret: Annotated[
        str, typer.Option(help="Its secret (DERIBIT_CLIENT_SECRET keeps it out of ps).")
    ] = "",
    token_seconds: Annotated[int, typer.Option(min=1, help="Life of an access token.")] = 900,
    maker_fee: Annotated[
        str, typer.Option(help="What a resting order pays, as a fraction; negative is paid out.")
    ] = str(STANDARD.maker),
    taker_fee: Annotated[str, typer.Option(help="What a taker pays, as a fraction.")] = str(
        STANDARD.taker
    ),
    switch: Annotated[
        list[str] | None,
        typer.Option(
            help="A doubt about the venue decided, such as passed_trigger=fire. Repeatable; "
            "see docs/paper-exchange.md."
        ),
    ] = None,
    reset: Annotated[bool, typer.Option("--reset", help="New account; keeps the old.")] = False,
    faults: Annotated[
        Path | None, typer.Option(help="What goes wrong: a TOML file, see docs/faults.md.")
    ] = None,
    idle_exit: Annotated[
        float, typer.Option(min=0, help="End after so many seconds without clients; 0 never.")
    ] = 0.0,
    when_embedded: Annotated[
        bool,
        typer.Option(
            "--when-embedded", help="End at once, with 0, unless the bot would start it itself."
        ),
    ] = False,
) -> None:
    """The paper exchange alone, for any client; what is not given is in the settings (PAPER_*)."""
    settings = read_settings()
    if when_embedded and not settings.embeds_exchange:
        tell(f"Not needed: the venue is {settings.deribit_env} at {settings.http_url}.")
        raise typer.Exit(0)
    known_id, known_secret = settings.paper_login
    try:
        paper = PaperSettings(
            port=settings.paper_port if port is None else port,
            folder=settings.data_dir / "paper" / "exchange",
            feed=feed or settings.paper_feed,
            speed=number("--speed", speed or str(settings.paper_speed)),
            seed=settings.paper_seed if seed is None else seed,
            client_id=client_id or known_id,
            client_secret=client_secret or known_secret,
            idle_seconds=idle_exit,
            token_seconds=token_seconds,
            fees=Fees(
                maker=number("--maker-fee", maker_fee), taker=number("--taker-fee", taker_fee)
            ),
            switches=switched(switch or ()),
            reset=reset,
            status=sys.stderr.isatty(),
            faults=_plan(faults or settings.paper_faults),
            archive=partial(recorded, settings.data_dir / "raw"),
        )
        paper = replace(paper, balances=_balances(balance)) if balance else paper
    except (ValueError, PlanInvalid) as error:
        fail(str(error), ExitCode.SETTINGS_INVALID)
    raise typer.Exit(_serve(settings, paper))


def _serve(settings: Settings, paper: PaperSettings) -> int:
    """Runs the paper exchange until it is told to stop; returns the exit code."""
    with open_log(settings, "exchange.log"):
        if paper.client_secret != PAPER_LOGIN:
            register_secret(paper.client_secret)
        try:
            return _made(paper).run()
        except OSError as error:
            return not_started(refused(error, settings))


def _made(paper: PaperSettings) -> PaperServer:
    """Only while it is made a `ValueError` means the settings; later it is a fault of ours."""
    try:
        return PaperServer(paper)
    except ValueError as error:
        fail(str(error), ExitCode.SETTINGS_INVALID)


def _plan(path: Path | None) -> FaultPlan:
    return FaultPlan() if path is None else read_plan(path)


def _balances(given: list[str]) -> dict[str, Decimal]:
    if wrong := [text for text in given if "=" not in text]:
        raise ValueError(f"--balance is a currency and an amount, such as BTC=1, not {wrong[0]!r}")
    pairs = (text.partition("=") for text in given)
    return {name.upper(): number("--balance", amount) for name, _, amount in pairs}
