"""JSON files with a schema: strict to read, atomic to write.

Domain code holds plain frozen dataclasses; pydantic checks them at this boundary only.
"""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from glioframe.core.errors import ArtifactError
from glioframe.core.files import write_text_atomically

if TYPE_CHECKING:
    from pathlib import Path

    from pydantic import TypeAdapter, ValidationError

T = TypeVar("T")

STRICT = {"extra": "forbid", "ser_json_inf_nan": "null"}
"""Set as ``__pydantic_config__`` on a dataclass: unknown keys are refused."""

_MOST_FAULTS_SHOWN = 5
_adapters: dict[type[Any], TypeAdapter[Any]] = {}
"""By schema: building one takes many times as long as checking a file with it."""


def load_json(schema: type[T], path: Path) -> T:
    """Reads ``path`` as ``schema``, a dataclass.

    Raises:
        ArtifactError: The file is absent, is not JSON, or breaks the schema; all faults in one line.
    """
    return parse(schema, read_json(path), where=path)


def read_json(path: Path) -> Any:  # noqa: ANN401 - whatever the file holds
    """The parsed content of a JSON file, unchecked.

    Raises:
        ArtifactError: The file is absent, not UTF-8, or not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ArtifactError(
            path, expected="a JSON file", found="no file", fix="Run the step that writes it first"
        ) from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ArtifactError(
            path,
            expected="valid UTF-8 JSON",
            found=str(error),
            fix="Mend the file, or write it again",
        ) from None


def parse(schema: type[T], content: object, *, where: str | Path) -> T:
    """Checks ``content`` (parsed JSON) against ``schema`` and builds it.

    Raises:
        ArtifactError: With up to five faults, each with its path inside the document.
    """
    from pydantic import ValidationError

    try:
        checked: T = _adapter(schema).validate_json(json.dumps(content), strict=True)
    except ValidationError as error:
        raise ArtifactError(
            where,
            expected=f"a legal {_noun(schema)}",
            found=_faults(error),
            fix="Mend the named keys",
        ) from None
    return checked


def to_json(artifact: object) -> str:
    """The artifact as indented JSON text with keys in field order and a final newline."""
    content = _adapter(type(artifact)).dump_python(artifact, mode="json")
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def save_json(artifact: object, path: Path) -> None:
    """Writes the artifact atomically to ``path``."""
    write_text_atomically(path, to_json(artifact))


def _adapter(schema: type[Any]) -> TypeAdapter[Any]:
    if schema not in _adapters:
        from pydantic import TypeAdapter

        _adapters[schema] = TypeAdapter(schema)
    return _adapters[schema]


def _noun(schema: type[Any]) -> str:
    if not (is_dataclass(schema) and fields(schema)):
        return "value"
    return " ".join(_split_camel_case(schema.__name__.lstrip("_")))


def _split_camel_case(name: str) -> list[str]:
    words = "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in name)
    return words.split()


def _faults(error: ValidationError) -> str:
    faults = [_fault(item) for item in error.errors(include_url=False)]
    hidden = len(faults) - _MOST_FAULTS_SHOWN
    return "; ".join(faults[:_MOST_FAULTS_SHOWN]) + (f"; and {hidden} more" if hidden > 0 else "")


def _fault(item: Any) -> str:  # noqa: ANN401 - pydantic's ErrorDetails
    place = ".".join(str(part) for part in item["loc"]) or "document"
    if item["type"] in {"unexpected_keyword_argument", "extra_forbidden"}:
        return f"unknown key {place}"
    if item["type"] in {"missing", "missing_keyword_only_argument", "missing_argument"}:
        return f"missing key {place}"
    return f"{place} = {item['input']!r} ({item['msg']})"
