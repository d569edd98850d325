"""The paper exchange: a Deribit on loopback, a pure engine behind the venue's own methods."""
