"""Watch market metrics, rank them by how much they move, and tell people what moved."""

from __future__ import annotations

__version__ = "0.1.0"
