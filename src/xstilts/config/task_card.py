"""A task's card: its splits and where they are read from, its labels, its scoring, its training."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator

from xstilts.config.hyperparameters import Hyperparameters
from xstilts.config.raw_file import RawFile
from xstilts.config.yaml_models import DistinctNames, Model, Name, Number, Options, yaml_kind
from xstilts.errors import StudyError, unknown

SplitName = Literal["train", "dev", "test"]


class SplitSource(Model):
    """Raw files that hold the examples of a split, and the reader that understands them."""

    reader: Name
    files: dict[str, RawFile] = Field(min_length=1, description="files by the reader's part names")
    options: Options = Field(default_factory=dict, description="passed to the reader")
    only: DistinctNames | None = Field(None, description="languages that it has; default: all")


Code = Annotated[
    Annotated[Name, Tag("<value>")] | Annotated[DistinctNames, Field(min_length=1), Tag("<list>")],
    Discriminator(yaml_kind),
]


class Split(SplitSource):
    """One split: how its files are read, and in which languages there are any.

    The same examples may have several sources (the official archive, a parquet copy). The first is
    the one given here; where its files cannot be fetched, those under ``fallbacks`` are tried in
    order.
    """

    languages: DistinctNames | None = Field(None, description="default: the card's")
    codes: dict[Name, Code] | None = Field(None, description="default: the card's")
    fallbacks: list[SplitSource] = Field(
        default_factory=list, description="other sources of the same examples"
    )

    @property
    def sources(self) -> list[SplitSource]:
        """All sources, the preferred one first."""
        return [self, *self.fallbacks]

    def sources_for(self, language: str) -> list[SplitSource]:
        """The sources that have a language's examples, the preferred one first."""
        return [s for s in self.sources if s.only is None or language in s.only]


FROM_DATA = "from_data"


def _from_data(value: object) -> object:
    if value not in (None, FROM_DATA):
        raise ValueError(f"{value!r} is neither a list of labels nor {FROM_DATA}")
    return value


def _list_or_not(value: object) -> str:
    return "<list>" if isinstance(value, list) else "<value>"


FromData = Annotated[Literal["from_data"] | None, BeforeValidator(_from_data), Tag("<value>")]
Labels = Annotated[Annotated[DistinctNames, Tag("<list>")] | FromData, Discriminator(_list_or_not)]


class TaskCard(Model):
    """A task: an intermediate task, a recipe and a target may be one and the same."""

    task: Annotated[Name, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
    title: Name
    task_type: Name = Field(description="a folder of xstilts.tasks, such as classification")
    summary: Name
    licence: Name
    citation: Name
    languages: Annotated[DistinctNames, Field(min_length=1)]
    codes: dict[Name, Code] = Field(
        default_factory=dict,
        description="our code -> the task's own; of a list, each has files of its own",
    )
    labels: Labels = Field(
        None,
        description="classes or tags, in order; from_data: those that occur in the training "
        "examples, sorted, as the stamp of these says",
    )
    labels_not_in_training: DistinctNames = Field(
        default_factory=list,
        description="labels that the recipe's training examples lack: they are never predicted",
    )
    scorer: Name = Field(description="the official scoring, one of the task type's")
    primary: Name = Field(description="the metric that enters the grid")
    recipe: Name | None = Field(
        None, description="task whose English training set this target is fine-tuned on"
    )
    follows: Name | None = Field(
        None,
        description="as a recipe, it is trained after this task, from its checkpoint and head",
    )
    parts: DistinctNames = Field(
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

    @model_validator(mode="after")
    def _paths_of_every_language(self) -> Self:
        for name, split in self.splits.items():
            for language in self.split_languages(name):
                for source in split.sources_for(language):
                    try:
                        self.raw_files(name, language, source)
                    except ValueError as error:
                        raise ValueError(f"splits.{name}: {language}: {error}") from None
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

    def raw_files(
        self, split: str, language: str, source: SplitSource | None = None
    ) -> dict[str, RawFile]:
        """The files of a split's source (the first) in a language, by the reader's part names.

        Where a language has several codes, each gives files: of part ``words`` these are
        ``words.0``, ``words.1`` and so on.
        """
        entry = self.splits[split]  # type: ignore[index]
        codes = (self.codes if entry.codes is None else entry.codes).get(language, language)
        if isinstance(codes, str):
            return {part: f.of(language, codes) for part, f in (source or entry).files.items()}
        return {
            f"{part}.{number}": file.of(language, code)
            for part, file in (source or entry).files.items()
            for number, code in enumerate(codes)
        }
