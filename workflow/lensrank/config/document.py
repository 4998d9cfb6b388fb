"""The README and the JSON schema of the configuration, made from the config model."""

import json
import types
import typing
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from lensrank.config.settings import Config
from lensrank.files import write_text
from lensrank.models.recipes import RECIPES

HEAD = """# Configuration

Made by `make docs` from `workflow/lensrank/config/settings.py`; do not edit. `schema.json` beside it lets editors check
and complete a configuration.

A configuration describes the experiment, never the machine (cores, memory, GPUs: `profiles/`). Unknown keys are
refused. Paths are relative to the folder in which Snakemake runs. `<name>` stands for a name of your choice.

A model's settings are, from weakest to strongest: the defaults below, the recipe of its network (last table), what the
configuration sets under `training` and `augmentation`, what it sets under the model.
"""


def write_documents(readme: Path, schema: Path) -> None:
    """Write both pages."""
    write_text(readme, readme_text())
    write_text(schema, schema_text())


def schema_text() -> str:
    """The JSON schema of a configuration file."""
    return json.dumps(Config.model_json_schema(), indent=2) + "\n"


def readme_text() -> str:
    """A table of keys for each section, in Markdown."""
    parts = [HEAD]
    seen: set[type[BaseModel]] = set()
    _section("", Config, parts, seen)
    parts.append("\n## Recipes of the networks\n\n| network | what differs from the defaults |\n|---|---|\n")
    parts += [f"| `{name}` | `{json.dumps(recipe)}` |\n" for name, recipe in sorted(RECIPES.items())]
    return "".join(parts)


def _section(prefix: str, section: type[BaseModel], parts: list[str], seen: set[type[BaseModel]]) -> None:
    title = f"`{prefix.removesuffix('.')}`" if prefix else "All keys"
    summary = (section.__doc__ or "").strip().splitlines()[0]
    parts.append(f"\n## {title}\n\n{summary}\n\n| key | type | default | meaning |\n|---|---|---|---|\n")
    inner: list[tuple[str, type[BaseModel]]] = []
    inherited = {name for base in section.__bases__ if base in seen for name in base.model_fields}
    for name, field in section.model_fields.items():
        nested, path = _nested(f"{prefix}{name}", field.annotation)
        if nested is not None:
            inner.append((path, nested))
        if name not in inherited:
            parts.append(f"| `{prefix}{name}` | {_type(field.annotation)} | {_default(field)} | {_meaning(field)} |\n")
    if inherited:
        bases = ", ".join(f"`{base.__name__.lower()}`" for base in section.__bases__ if base in seen)
        parts.append(f"| `{prefix}…` | | | every key of {bases} |\n")
    seen.add(section)
    for path, nested in inner:
        if nested not in seen:
            _section(f"{path}.", nested, parts, seen)


def _nested(path: str, annotation: Any) -> tuple[type[BaseModel] | None, str]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, path
    arguments = typing.get_args(annotation)
    if typing.get_origin(annotation) is dict:
        return _nested(f"{path}.<name>", arguments[1])
    for member in arguments:
        if isinstance(member, type) and not isinstance(member, types.GenericAlias) and issubclass(member, BaseModel):
            return member, path
    return None, path


def _type(annotation: Any) -> str:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Literal:
        return " or ".join(f"`{json.dumps(value)}`".replace('"', "") for value in arguments)
    if origin is typing.Annotated:
        return _type(arguments[0])
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_type(member) for member in arguments)
    if origin is tuple:
        return (
            f"list of {_type(arguments[0])}" if arguments[-1] is Ellipsis else f"[{', '.join(map(_type, arguments))}]"
        )
    if origin is dict:
        return f"name: {_type(arguments[1])}"
    names = {str: "text", Path: "path", int: "integer", float: "number", bool: "true or false", type(None): "null"}
    return names.get(annotation, "section")


def _default(field: FieldInfo) -> str:
    if field.default is PydanticUndefined:
        return "required"
    if isinstance(field.default, BaseModel):
        return "see below"
    return f"`{json.dumps(field.default, default=str)}`"


def _meaning(field: FieldInfo) -> str:
    return (field.description or "").replace("|", "\\|")
