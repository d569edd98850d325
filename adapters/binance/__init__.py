"""Binance's market data: aggregate trades over websockets, and over REST for what was missed."""
