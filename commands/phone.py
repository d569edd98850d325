"""The way to a person: the log alone, or the log and Telegram."""

from contextlib import ExitStack
from functools import partial

from actors.door import DeskDoor
from actors.kernel import System
from actors.ports import Notifier
from adapters.notify import LogAndPhone, LogNotifier
from adapters.telegram.line import Account, TelegramLine
from config.settings import Settings


def notifier_of(settings: Settings, system: System, stack: ExitStack) -> Notifier:
    """Starts Telegram's thread when there is a token; it ends with ``stack``."""
    log = LogNotifier(system.clock)
    token, chat_id = settings.telegram_bot_token, settings.telegram_chat_id
    if token is None or chat_id is None:
        return log
    line = TelegramLine(
        Account(
            token=token.get_secret_value(),
            chat_id=chat_id,
            users=frozenset(settings.telegram_user_ids),
            root=settings.telegram_api_url,
            env=str(settings.deribit_env),
        ),
        clock=system.clock,
        desk=DeskDoor(system),
        publish=partial(system.publish, "telegram"),
        tell=system.route,
        handled_file=settings.data_folder / "telegram.json",
    )
    line.start()
    stack.callback(line.close)
    return LogAndPhone(log, line)
