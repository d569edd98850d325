"""The JSON-RPC methods, one table per family; a method that is not in a table does not exist."""

from adapters.paper.methods import (
    access,
    accounts,
    channels,
    margins,
    markets,
    rarities,
    reads,
    tape,
    writes,
)
from adapters.paper.methods.call import Method

METHODS: dict[str, Method] = {
    **access.METHODS,
    **channels.METHODS,
    **markets.METHODS,
    **tape.METHODS,
    **margins.METHODS,
    **writes.METHODS,
    **reads.METHODS,
    **accounts.METHODS,
    **rarities.METHODS,
}
