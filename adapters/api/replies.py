"""Replies of the Desk as JSON: exact figures as texts, rows as objects under column keys."""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal

from pydantic import BaseModel, ConfigDict, Field

from actors.messages.desk import CommandReply, Refusal, Status
from domain.content import Cell, Table

JsonCell = str | int | bool | None
Redact = Callable[[str], str]


class ColumnModel(BaseModel):
    """A column: `key` in the rows, `title` for people, `digits` a person needs to see.

    A price below 100 has more of them: at least five significant ones (`is_price`).
    """

    key: str
    title: str
    digits: int | None
    is_price: bool


class TableModel(BaseModel):
    """A table. Figures are texts of exact decimals; times are ISO 8601 in UTC."""

    key: str
    title: str
    columns: list[ColumnModel]
    rows: list[dict[str, JsonCell]]


class ConfirmationModel(BaseModel):
    """What has to be confirmed: POST the token to /v1/confirm before it expires."""

    token: str
    effect: str
    expires_at: datetime


class ReplyModel(BaseModel):
    """What became of a command. `reason` is a stable word when it was refused."""

    model_config = ConfigDict(use_enum_values=True)

    request_id: str
    command: str
    status: Status
    reason: str
    lines: list[str]
    tables: list[TableModel]
    confirmation: ConfirmationModel | None = None


class ProblemModel(BaseModel):
    """A request that did not reach the Desk."""

    reason: str
    lines: list[str]


class TokenModel(BaseModel):
    """The token of a confirmation."""

    model_config = ConfigDict(extra="forbid")
    token: str = Field(pattern=r"^[0-9a-z]{1,64}$")


class ReasonModel(BaseModel):
    """One reason of the verdict."""

    code: str
    text: str
    is_fault: bool


class HealthModel(BaseModel):
    """Whether all is well, and every reason if not."""

    is_well: bool
    reasons: list[ReasonModel]


def model_of(reply: CommandReply, redact: Redact) -> ReplyModel:
    """The reply for programs; every text that came from elsewhere has passed ``redact``."""
    asked = reply.confirmation
    return ReplyModel(
        request_id=reply.request_id,
        command=reply.command,
        status=reply.status,
        reason=reply.reason,
        lines=[redact(x) for x in reply.content.lines],
        tables=[_table(x, redact) for x in reply.content.tables],
        confirmation=ConfirmationModel(
            token=asked.token, effect=redact(asked.effect), expires_at=asked.expires_at
        )
        if asked
        else None,
    )


def _table(table: Table, redact: Redact) -> TableModel:
    keys = [column.key for column in table.columns]
    return TableModel(
        key=table.key,
        title=table.title,
        columns=[
            ColumnModel(key=x.key, title=x.title, digits=x.digits, is_price=x.is_price)
            for x in table.columns
        ],
        rows=[dict(zip(keys, (_cell(x, redact) for x in row), strict=True)) for row in table.rows],
    )


def _cell(cell: Cell, redact: Redact) -> JsonCell:
    if isinstance(cell, Decimal):
        return f"{cell:f}"
    if isinstance(cell, str):
        return redact(cell)
    return cell.isoformat() if isinstance(cell, datetime) else cell


STATUS_CODES = {Status.DONE: 200, Status.ACCEPTED: 202, Status.NEEDS_CONFIRMATION: 200}
REFUSAL_CODES = {
    Refusal.NOT_ALLOWED: 403,
    Refusal.READ_ONLY_DOOR: 403,
    Refusal.UNKNOWN_COMMAND: 404,
    Refusal.UNKNOWN_TRADE: 404,
    Refusal.BAD_ARGUMENTS: 422,
    Refusal.BUSY: 503,
    Refusal.FAILED: 500,
}
"""Everything else that is refused is a conflict with the state things are in: 409."""


def status_code(reply: CommandReply) -> int:
    """The HTTP status of a reply."""
    if reply.status is Status.REFUSED:
        known = [code for refusal, code in REFUSAL_CODES.items() if refusal == reply.reason]
        return known[0] if known else 409
    return STATUS_CODES[reply.status]
