"""Pure rules and values of trading perpetual futures: no I/O, no clock, no threads, no logging."""
