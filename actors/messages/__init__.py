"""What actors say to each other: frozen values, one file per conversation.

Commands are imperative (`OpenTrade`), events past participles (`TradeOpened`), venue
observations end in `Report`, timer wake-ups in `Due`, queries start with `Get` and are answered
by a `Snapshot`. Fields are values: Decimal, int, str, enum, datetime, tuple, frozen dataclass.
"""
