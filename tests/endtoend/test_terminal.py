"""A terminal that takes no output, in front of a bot that trades."""

from pathlib import Path

from tests.endtoend.bulwark import Bot, FullPipe, at_exchange, market, wait_for
from tests.endtoend.observer import Observer
from tests.endtoend.scripts import WIDE, script


def test_a_bot_whose_output_nobody_takes_protects_and_ends_in_order(tmp_path: Path) -> None:
    """Its first line would have been its last. The stop comes back, and the log goes on."""
    with market(tmp_path / "market") as exchange:
        settings = at_exchange(exchange, STRATEGIES=script(tmp_path, WIDE))
        with Bot(tmp_path, settings, pipe=FullPipe()) as bot:
            bot.ready()
            bot.wait_for("target_placed")
            observer = Observer(exchange.port)

            def stops() -> list[str]:
                orders = observer.open_orders()
                return [x["order_id"] for x in orders if x["order_type"].startswith("stop")]

            (before,) = stops()
            observer.call("private/cancel", order_id=before)
            bot.wait_for("stop_replaced")
            wait_for(lambda: stops() and stops() != [before], "another stop")
            assert bot.stop() == 0
