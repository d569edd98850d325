"""The tick and positioning archive: Parquet segments, and a catalogue any process may query.

Only the collector's process and the archive's commands import this package: DuckDB and numpy
cost 50 MiB and a tenth of a second that the trading process must not pay.
"""
