"""Tables to Parquet bytes and back: one writer with fixed options, so that equal tables are equal bytes."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa
import pyarrow.parquet as pq

from tracker.errors import CorruptObject

WRITER = f"tracker/1 pyarrow/{pa.__version__}"
"""Stands in the metadata of every file; another writer may give other bytes for the same rows."""


def encode(table: pa.Table, notes: Mapping[str, str] | None = None) -> bytes:
    """Give a table as Parquet: zstd, measurements plain, all that repeats as dictionary (measured: 3.1 B a sample).

    `notes` go into the file's metadata beside the writer.
    """
    sink = pa.BufferOutputStream()
    plain = [field.name for field in table.schema if pa.types.is_floating(field.type)]
    with pq.ParquetWriter(
        sink,
        table.schema.remove_metadata(),
        version="2.6",
        data_page_version="1.0",
        compression="zstd",
        compression_level=3,
        use_dictionary=[name for name in table.schema.names if name not in plain],
    ) as writer:
        writer.write_table(table, row_group_size=1 << 20)
        writer.add_key_value_metadata({"writer": WRITER, **(notes or {})})
    return sink.getvalue().to_pybytes()  # type: ignore[no-any-return]


def decode(data: bytes, path: str, schema: pa.Schema) -> pa.Table:
    """Read Parquet bytes as `schema`, or the columns of it that `schema` names. CorruptObject names the `path`."""
    texts = [field.name for field in schema if pa.types.is_dictionary(field.type)]
    try:
        # Neither pq.read_table nor Arrow's threads: with them one process in seven aborts at its exit.
        file = pq.ParquetFile(pa.BufferReader(data), read_dictionary=texts)
        table = file.read(columns=schema.names, use_threads=False)
        if table.schema.types != schema.types or table.column_names != schema.names:
            return table.cast(schema)  # of another writer
        return pa.Table.from_arrays(table.columns, schema=schema)
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        raise _corrupt(path, error) from error


def note(data: bytes, path: str, name: str) -> str | None:
    """Give a note of the file's metadata, or None. CorruptObject names the `path`."""
    try:
        value = (pq.ParquetFile(pa.BufferReader(data)).metadata.metadata or {}).get(name.encode())
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _corrupt(path, error) from error
    return None if value is None else value.decode()


def _corrupt(path: str, error: Exception) -> CorruptObject:
    text = str(error).split("\n", 1)[0]
    return CorruptObject(f"{path}: not the Parquet it should be ({text}); delete it and load its time again")
