"""What study files and cards share: YAML becomes models.

Every problem is one line that names the file and the key and says what is allowed.
"""

from __future__ import annotations

import os
import re
import reprlib
from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from xstilts.config.strict_yaml import read_value
from xstilts.errors import StudyError, unknown

if TYPE_CHECKING:
    from pathlib import Path

# --- values as YAML 1.1 gives them ---------------------------------------------------------------


def _number(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError(f"must be a number, not {value}")
    if isinstance(value, str):
        try:
            meant = repr(float(value))
        except ValueError:
            return value
        if "." not in meant:  # YAML 1.1 wants a point: 1.0e-05
            meant = meant.replace("e", ".0e")
        raise ValueError(f"{value!r} is a text in YAML 1.1; write the number as {meant}")
    return value


def _name(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError(
            f"YAML 1.1 reads an unquoted yes, no, on or off as {value}; "
            "quote it (Norwegian is 'no')"
        )
    return value


def _folder(value: str) -> str:
    """A path with ``~``, ``$NAME`` and ``${NAME}`` replaced; the only place where it is done.

    Braces are refused, because Snakemake would take them for a wildcard.
    """
    path = os.path.expandvars(os.path.expanduser(value))  # noqa: PTH111 (a Path drops "./")
    if path.startswith("~"):
        raise ValueError(f"{value!r}: there is no such user; write the whole path")
    if unset := re.search(r"\$(\w+|\{\w*\})", path):
        raise ValueError(f"{value!r}: the environment variable {unset.group()} is not set")
    if wrong := re.search(r"[{}\x00-\x1f\x7f]", path):
        raise ValueError(f"{path!r}: a path must not hold {wrong.group()!r}; rename the folder")
    if any(len(os.fsencode(part)) > 255 for part in path.split("/")):
        raise ValueError(f"{reprlib.repr(path)}: the name of a folder has at most 255 bytes")
    return path


def _json_keys(value: Any) -> Any:
    """The value with texts as keys, as in JSON: a card then equals its copy in a snapshot."""
    if isinstance(value, dict):
        if wrong := [key for key in value if type(key) not in (str, int)]:
            raise ValueError(f"the key {wrong[0]!r} must be a text; quote it")
        return {str(key): _json_keys(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_json_keys(item) for item in value]
    if not isinstance(value, str | int | float | None):
        raise ValueError(f"{value} is a {type(value).__name__} in YAML 1.1; quote it")
    return value


def _unique(values: list[Any]) -> list[Any]:
    twice = sorted(str(value) for value, times in Counter(values).items() if times > 1)
    if twice:
        raise ValueError(f"listed twice: {', '.join(twice)}")
    return values


Unique = AfterValidator(_unique)
Count = Annotated[int, Field(gt=0, lt=2**31)]
"""How many of something: more than none, and no more than 32 bits can count."""
Number = Annotated[float, BeforeValidator(_number), Field(strict=False, allow_inf_nan=False)]
Name = Annotated[str, BeforeValidator(_name), Field(min_length=1)]
DistinctNames = Annotated[list[Name], Unique]
Folder = Annotated[Name, AfterValidator(_folder)]
Options = Annotated[dict[str, Any], BeforeValidator(_json_keys)]


YAML_KINDS = ("<list>", "<mapping>", "<value>")


def yaml_kind(value: object) -> str:
    """The member of a union that a value is validated as.

    Without it, pydantic would report one problem for each member.
    """
    if isinstance(value, list):
        return "<list>"
    return "<mapping>" if isinstance(value, dict) else "<value>"


class Model(BaseModel):
    """Base of everything read from YAML: unknown keys are errors, values are never coerced."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


# --- files to models ------------------------------------------------------------------------------


M = TypeVar("M", bound=Model)


def read_yaml(path: Path) -> Any:
    """Read a YAML file strictly (`strict_yaml`); an error names the file and line."""
    return _without_controls(read_value(path, str(path), aliases=True), str(path))


def _without_controls(value: Any, where: str) -> Any:
    """The value itself, if no text in it has a control character or half a character.

    Line ends and tabs are allowed: a card may have them as separators.
    """
    if isinstance(value, dict):
        for key, item in value.items():
            _without_controls(key, where)
            _without_controls(item, where)
    elif isinstance(value, list):
        for item in value:
            _without_controls(item, where)
    elif isinstance(value, str) and (wrong := _CONTROLS.search(value)):
        character = f"U+{ord(wrong.group()):04X}"
        raise StudyError(
            f"{where}: {value!a:.80}: the character {character} is not allowed; delete it"
        )
    return value


_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def load(model: type[M], data: Any, where: str) -> M:
    """Build a model from YAML data; all problems come in one `StudyError`, one line each."""
    if not isinstance(data, dict):
        raise StudyError(f"{where}: must be a mapping of keys, not {type(data).__name__}")
    try:
        return model.model_validate(data)
    except ValidationError as error:
        lines = [f"{where}: {_problem(model, problem)}" for problem in error.errors()]
        raise StudyError("\n".join(lines)) from None


def _problem(model: type[Model], problem: Any) -> str:
    kind = problem["type"]
    place = tuple(p for p in problem["loc"] if p not in ("[key]", *YAML_KINDS))
    if kind == "extra_forbidden":
        fields = _fields_at(model, place[:-1])
        message = unknown("key", place[-1], fields) if fields else "unknown key"
    elif kind == "value_error":
        message = str(problem["ctx"]["error"])
    elif kind == "missing":
        about = _fields_at(model, place[:-1]).get(place[-1], {}).get("description")
        message = "is missing" + (f"; it is: {about}" if about else "")
    elif kind == "too_short" and not problem["input"]:
        message = "must not be empty"
    elif kind in ("model_type", "dict_type"):
        message = f"must be a mapping of keys, not {reprlib.repr(problem['input'])}"
    else:
        message = f"{problem['msg']}, not {reprlib.repr(problem['input'])}"
    key = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in place).lstrip(".")
    return f"{key}: {message}" if key else message


def _fields_at(model: type[Model], location: tuple[Any, ...]) -> dict[str, Any]:
    """The keys that a model allows at a place inside it, as far as its schema lists them."""
    schema: Any = model.model_json_schema()
    definitions = schema.get("$defs", {})
    for part in location:
        schema = _resolve(schema, definitions)
        if isinstance(part, int):
            schema = schema.get("items", {})
        else:
            schema = schema.get("properties", {}).get(part) or schema.get("additionalProperties")
        if not isinstance(schema, dict):
            return {}
    return dict(_resolve(schema, definitions).get("properties", {}))


def _resolve(schema: Any, definitions: Any) -> Any:
    for option in schema.get("anyOf", []):
        resolved = _resolve(option, definitions)
        if "properties" in resolved:
            return resolved
    if "$ref" in schema:
        return definitions[schema["$ref"].rpartition("/")[2]]
    return schema
