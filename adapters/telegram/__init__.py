"""Telegram: the way to a person's phone, and a door to the Desk.

python-telegram-bot is imported by the bot's own thread only (`line`): it costs 17 MiB and a
tenth of a second, which a daemon without a token does not pay.
"""
