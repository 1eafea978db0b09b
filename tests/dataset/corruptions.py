"""Every way in which a raw dataset goes wrong, each with what the preflight must say of it."""

from __future__ import annotations

from dynamic_corruptions import DYNAMIC
from image_corruptions import COPIES, FILES, GEOMETRY, VALUES
from table_corruptions import TABLES

CORRUPTIONS = (*TABLES, *FILES, *GEOMETRY, *VALUES, *COPIES, *DYNAMIC)
