"""Contract data by name: what the parser needs to turn amounts into whole contracts."""

from collections.abc import Iterable, Mapping

from domain.instruments import Instrument


class Catalogue:
    """Grows and refreshes, never forgets: an order on a delisted perpetual stays readable.

    Readers see a whole version at a time, because a merge replaces the mapping. ``read_at`` is when
    the venue was last asked (monotonic seconds), by whoever it was.
    """

    def __init__(self, instruments: Iterable[Instrument] = ()) -> None:
        self._by_name: Mapping[str, Instrument] = {}
        self.read_at: float | None = None
        self.merge(instruments)

    @property
    def is_empty(self) -> bool:
        """Whether no contract data was read yet."""
        return not self._by_name

    def get(self, name: str) -> Instrument | None:
        return self._by_name.get(name)

    def merge(self, instruments: Iterable[Instrument]) -> None:
        """Adds new instruments and replaces known ones."""
        merged = dict(self._by_name)
        merged.update((instrument.name, instrument) for instrument in instruments)
        self._by_name = merged

    def active(self) -> dict[str, Instrument]:
        return {name: one for name, one in self._by_name.items() if one.is_active}
