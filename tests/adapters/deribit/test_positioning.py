"""A row a minute of what the venue says about positioning."""

from typing import Any

import pytest

from adapters.deribit.positioning import PAGE, PositioningReader
from tests.adapters.deribit.fakes import HttpServer, reply

BTC = "BTC-PERPETUAL"
MINUTE_MS = 1_767_225_660_000
TICKER = {"stats": {"volume": 1, "volume_usd": 2}, "mark_price": 100.5, "index_price": 100}


def tape(times: list[int]) -> list[dict[str, Any]]:
    """Trades at these milliseconds of the minute: 10 bought, 5 sold, and so on."""
    return [
        {
            "trade_id": str(number),
            "timestamp": MINUTE_MS - 60_000 + time,
            "direction": "sell" if number % 2 else "buy",
            "amount": 5 if number % 2 else 10,
        }
        for number, time in enumerate(times)
    ]


def read(trades: list[dict[str, Any]]) -> tuple[list[Any], str]:
    """What the reader makes of a venue with these trades."""

    def answer(request: dict[str, Any], _: object) -> tuple[int, bytes, dict[str, str]]:
        params = request["params"]
        if request["method"] == "public/ticker":
            return 200, reply(request, TICKER).encode(), {}
        asked = range(params["start_timestamp"], params["end_timestamp"] + 1)
        rows = [x for x in trades if x["timestamp"] in asked]
        rows = rows if params["sorting"] == "asc" else rows[::-1]
        page = rows[: params["count"]]
        told = {"trades": page, "has_more": len(rows) > len(page)}
        return 200, reply(request, told).encode(), {}

    with HttpServer(answer) as server:
        reader = PositioningReader(server.url, "deribit", [BTC])
        rows, error = reader.read(MINUTE_MS)
        reader.close()
    return list(rows), error


def test_what_takers_did_in_the_minute_is_in_its_row() -> None:
    """Not the trade of the minute before, nor that of the next."""
    [row], error = read(tape([-2, 0, 100, 59_999, 60_000]))
    assert (row["buy_amount_1m"], row["sell_amount_1m"], error) == (10, 10, "")
    assert row["basis"] == pytest.approx(0.005)


def test_a_minute_of_a_crash_is_counted_whole() -> None:
    """More trades than one answer holds, several in a millisecond."""
    [row], error = read(tape([number // 3 for number in range(2 * PAGE + 500)]))
    assert (row["buy_amount_1m"], row["sell_amount_1m"], error) == (12_500, 6_250, "")


def test_what_cannot_be_counted_whole_is_not_stored() -> None:
    """More in one millisecond than the venue hands out."""
    rows, error = read(tape([7] * (PAGE + 1)))
    assert rows == []
    assert "more trades are announced" in error
