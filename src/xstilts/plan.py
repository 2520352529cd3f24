"""Plan: what a study costs before anything is submitted, and afterwards whether that was true.

    seconds of a job = start-up + tokens it trains on / rate + tokens it reads / rate

Everything is as good as what is known, and says how it is known. Tokens: counted on the prepared
examples with the encoder's own tokenizer; else measured on real files with XLM-R's vocabulary, or
declared by the publisher (config/costs/tasks.tsv). Rates: measured in earlier trainings; else those
of another encoder, by the ratio of the sizes; else floating-point operations (6 a parameter and
token in training, 2 in reading; Kaplan et al. 2020, section 2.1) over a device's stated peak.
"""

from __future__ import annotations

import csv
import heapq
import json
import math
from collections import Counter
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from xstilts import cells, lineage
from xstilts.errors import LineageError, StudyError, unknown
from xstilts.grid import INTERMEDIATE
from xstilts.jobstate import clock, last_line
from xstilts.status import recorded
from xstilts.store.taken import taken_note

if TYPE_CHECKING:
    from collections.abc import Iterable

    from xstilts.grid import Grid, Stage
    from xstilts.hyperparameters import Hyperparameters
    from xstilts.tokenization import Tokenizer

Rule = Literal["train", "evaluate"]
Key = tuple[str, str, int, str]

START_UP = 20.0
"""Seconds of a job before it computes, where no run has told: a guess."""
_TOKENS = {
    "classification": 50,
    "multiple_choice": 120,
    "tagging": 35,
    "span_qa": 250,
    "document_qa": 8000,
    "retrieval": 25,
    "mlm": 128,
}
"""Tokens of a row where nothing is known: guesses."""
_ROWS = 1000
_COUNTED = 5
"""Languages of a split whose tokens are counted at most; the mean stands for the others."""
_PREDICTION = {"span_qa": 120, "document_qa": 120, "multiple_choice": 40, "tagging": 90}
"""Bytes of one row's prediction, roughly, compressed."""


# --- sizes ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Size:
    """Rows of one split and language, and the mean tokens of a row; how either is known."""

    rows: float
    tokens: float
    rows_basis: str
    tokens_basis: str

    @property
    def basis(self) -> str:
        """The weaker of the two."""
        return min(self.rows_basis, self.tokens_basis, key=_BASES.index)


_BASES = ("guessed", "borrowed", "declared", "measured", "counted")
"""From the weakest to the strongest."""


def _table(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as stream:
        lines = (line for line in stream if not line.startswith("#"))
        return list(csv.DictReader(lines, delimiter="\t"))


class Sizes:
    """How large everything is that a grid reads. ``costs`` is the folder ``config/costs``."""

    def __init__(self, grid: Grid, costs: Path, count: bool = False) -> None:
        """``count``: tokenise prepared examples whose tokens have not been counted yet."""
        self._grid, self._count = grid, count
        self._known = {(r["task"], r["split"]): r for r in _table(costs / "tasks.tsv")}
        self._needed = grid.needed_examples()
        self._mean = cache(self._mean_over_languages)
        self.of = cache(self._of)

    def _of(self, encoder: str, task: str, split: str, language: str) -> Size:
        """The size of one split and language in an encoder's tokens."""
        stamp = self._grid.examples_stamp(task, split, language)
        known = self._known.get((task, split))
        rows, rows_basis = float(_ROWS), "guessed"
        if known:
            rows, rows_basis = float(known["rows"]), known["rows_basis"]
        facts = _read(stamp).get("facts", {})
        if "rows" in facts:
            rows, rows_basis = float(facts["rows"]), "counted"
        tokens, tokens_basis = float(_TOKENS[self._grid.cards.task(task).format]), "guessed"
        if known:
            tokens, tokens_basis = float(known["tokens"]), known["tokens_basis"]
        counted = self._mean(encoder, task, split)
        if counted is not None:
            tokens, tokens_basis = counted, "counted"
        return Size(rows, tokens, rows_basis, tokens_basis)

    def _mean_over_languages(self, encoder: str, task: str, split: str) -> float | None:
        """Tokens of a row, counted in a few of the prepared languages of a split."""
        languages = next((ls for t, s, ls in self._needed if (t, s) == (task, split)), [])
        step = max(1, -(-len(languages) // _COUNTED))
        counts = [self._counted(encoder, task, split, code) for code in languages[::step]]
        known = [count for count in counts if count is not None]
        return sum(known) / len(known) if known else None

    def _counted(self, encoder: str, task: str, split: str, language: str) -> float | None:
        """Tokens of a row in one language; kept with what they were counted on."""
        stamp = self._grid.examples_stamp(task, split, language)
        pretrained = self._grid.encoder_stamp(encoder)
        if not (stamp.is_file() and pretrained.is_file()):
            return None
        limits = self._limits(task, split)
        note = self._grid.resources / "sizes" / encoder / task / split / f"{language}.json"
        of = {
            "examples": lineage.file_sha256(stamp),
            "encoder": lineage.file_sha256(pretrained),
            "limits": limits.model_dump(include={"max_length", "doc_stride", "max_query_length"}),
        }
        kept = _read(note)
        if kept.get("of") == of:
            return float(kept["tokens"])
        if not self._count:
            return None
        tokens = _count_tokens(self._grid, task, stamp, pretrained.parent, limits)
        lineage.write_json(note, {"of": of, "tokens": tokens})
        return tokens

    def _limits(self, task: str, split: str) -> Hyperparameters:
        if split == "test" and task in self._grid.resolved.targets:
            return self._grid.limits(task)
        return self._grid.hyperparameters(task, "recipe")


def _count_tokens(
    grid: Grid, task: str, stamp: Path, encoder: Path, limits: Hyperparameters, sample: int = 300
) -> float:
    """The mean tokens of a row, all windows and choices together, over a sample of rows."""
    from xstilts import examples, formats
    from xstilts.formats import mlm

    card = grid.cards.task(task)
    rows = examples.read(stamp.with_suffix(".parquet"))
    some = rows[:: max(1, len(rows) // sample)]
    if card.format == "mlm":
        how = grid.study.mlm
        features = mlm.encode(some, _tokenizer(encoder), how.mask, how.max_length)
    else:
        features = formats.get(card.format).encode(
            some, _tokenizer(encoder), tuple(card.labels or ()), limits, training=False
        )
    return round(sum(map(len, features.sequences)) / len(some), 2)


@cache
def _tokenizer(encoder: Path) -> Tokenizer:
    from xstilts.tokenization import Tokenizer

    return Tokenizer(encoder)


def _read(path: Path) -> dict[str, Any]:
    try:
        found = lineage.read_json(path)
    except LineageError:
        return {}
    return found if isinstance(found, dict) else {}


# --- rates ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Shape:
    """What of an encoder costs: its layers' parameters, and its embedding matrix."""

    body: float
    hidden: int
    vocabulary: int
    basis: str


def shape_of(grid: Grid, encoder: str, costs: Path) -> Shape:
    """From the fetched encoder's ``config.json``, else from config/costs/encoders.tsv."""
    config = _read(grid.encoder_stamp(encoder).parent / "config.json")
    try:
        h, layers = int(config["hidden_size"]), int(config["num_hidden_layers"])
        body = layers * (4.0 * h * h + 2.0 * h * int(config["intermediate_size"]))
        return Shape(body, h, int(config["vocab_size"]), "counted")
    except (KeyError, TypeError, ValueError):
        pass
    for row in _table(costs / "encoders.tsv"):
        if row["encoder"] == encoder:
            body = float(row["body"]) * 1e6
            return Shape(body, int(row["hidden"]), int(row["vocabulary"]), "declared")
    return Shape(85e6, 768, 250_002, "guessed")


@dataclass(frozen=True)
class Rate:
    """Tokens a second in training and in reading, and a job's start-up; how they are known."""

    train: float
    read: float
    start_up: float
    basis: str


class Rates:
    """How fast the encoders of a grid are trained on a device."""

    def __init__(self, grid: Grid, costs: Path, device: str | None) -> None:
        """``device``: a row of config/costs/devices.tsv; None: that of earlier runs, else a100."""
        self._grid, self._costs, self._device = grid, costs, device
        self._devices = {row["device"]: row for row in _table(costs / "devices.tsv")}
        if device is not None and device not in self._devices:
            raise StudyError(f"--device: {unknown('device', device, self._devices)}")
        self.of = cache(self._of)

    def _of(self, encoder: str) -> Rate:
        """The rate of an encoder."""
        if measured := self._measured(encoder):
            train, start_up, runs = measured
            return Rate(train, 3 * train, start_up, f"measured in {runs} trainings")
        size = shape_of(self._grid, encoder, self._costs).body
        for other in self._grid.study.encoders:
            if measured := self._measured(other):
                ratio = shape_of(self._grid, other, self._costs).body / size
                train = measured[0] * ratio
                return Rate(train, 3 * train, measured[1], f"scaled from {other} by its size")
        name = self._device or "a100"
        row = self._devices.get(name, {"peak": "312", "share": "0.35"})
        speed = float(row["peak"]) * 1e12 * float(row["share"])
        basis = f"estimated: {float(row['share']):.0%} of the peak of one {name}"
        return Rate(speed / (6 * size), speed / (2 * size), START_UP, basis)

    @cache  # noqa: B019 - an object of one command
    def _measured(self, encoder: str) -> tuple[float, float, int] | None:
        """Tokens a second, start-up and number of the latest trainings of any study."""
        root = Path(self._grid.study.results)
        curves = sorted(root.glob(f"*/checkpoints/{encoder}/*/*/*/log.jsonl"), key=_time)[-50:]
        tokens = seconds = start_up = runs = 0.0
        for curve in curves:
            last, run = last_line(curve) or {}, _read(curve.with_name("run.json"))
            named = f"{run.get('device_name', '')} {run.get('device', '')}".lower()
            if "tokens" not in last or (self._device and self._device not in named):
                continue
            tokens, seconds = tokens + last["tokens"], seconds + last["seconds"]
            start_up += max(0.0, run.get("seconds", 0.0) - last["seconds"])
            runs += 1
        return (tokens / seconds, start_up / runs, int(runs)) if seconds else None


def _time(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


# --- the plan ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Planned:
    """One job that is to be run."""

    title: str
    rule: Rule
    encoder: str
    condition: str
    spec: str
    needs: str | None  # title of the job that it waits for
    train_tokens: float
    read_tokens: float
    seconds: float
    bytes: float


@dataclass
class Plan:
    """All jobs of a grid that are to be run, and what is there."""

    study: str
    there: Counter[Rule] = field(default_factory=Counter)
    jobs: list[Planned] = field(default_factory=list)
    sizes: dict[str, str] = field(default_factory=dict)
    """Basis of the size of each task that a job reads."""
    rates: dict[str, Rate] = field(default_factory=dict)

    @property
    def gpu_hours(self) -> float:
        """Of one device each, all jobs together."""
        return sum(job.seconds for job in self.jobs) / 3600


def make(grid: Grid, costs: Path, *, device: str | None = None, count: bool = False) -> Plan:
    """Plan what is missing or stale. Reads stamps, cells and run records; changes nothing.

    A checkpoint that is to be made makes its cells stale. Early stopping is not foreseen: where a
    checkpoint is selected on dev, a training may end sooner.
    """
    plan, sizes, rates = (
        Plan(grid.study.study),
        Sizes(grid, costs, count),
        Rates(grid, costs, device),
    )
    todo: set[Path] = set()
    titles = {grid.training(*key).stamp: _title("train", key) for key in grid.trainings()}
    for key in grid.trainings():
        stage, inputs = grid.training(*key), grid.training_inputs(*key)
        waits = next((titles[i.stamp] for i in inputs if i.stamp in todo), None)
        if waits is None and _read(stage.stamp).get("spec") == stage.digest:
            plan.there["train"] += 1
            continue
        todo.add(stage.stamp)
        trained, read = _training_tokens(grid, key, sizes, plan)
        _add(plan, grid, "train", key, stage, waits, rates, (trained, read), costs)
    for key in grid.evaluations():
        stage, source = grid.evaluation(*key), grid.evaluated(*key)
        languages = _missing(grid, key, stage.digest, source in todo)
        if not languages:
            plan.there["evaluate"] += 1
            continue
        tokens = _reading_tokens(grid, key[0], key[3], languages, sizes, plan)
        needs = titles[source] if source in todo else None
        _add(plan, grid, "evaluate", key, stage, needs, rates, (0.0, tokens), costs)
    return plan


def _title(rule: Rule, key: Key) -> str:
    encoder, condition, seed, what = key
    return f"{rule} {encoder}/{condition}/seed{seed}/{what}"


def _add(
    plan: Plan,
    grid: Grid,
    rule: Rule,
    key: Key,
    stage: Stage,
    needs: str | None,
    rates: Rates,
    tokens: tuple[float, float],
    costs: Path,
) -> None:
    rate = plan.rates[key[0]] = rates.of(key[0])
    seconds = rate.start_up + tokens[0] / rate.train + tokens[1] / rate.read
    size = (
        _checkpoint_bytes(shape_of(grid, key[0], costs), tokens[0])
        if rule == "train"
        else tokens[1] / 30 * _PREDICTION.get(grid.cards.task(key[3]).format, 30)
    )
    plan.jobs.append(
        Planned(
            _title(rule, key), rule, key[0], key[1], stage.digest, needs, *tokens, seconds, size
        )
    )


def _checkpoint_bytes(shape: Shape, tokens: float) -> float:
    """Float32 of the body and of the embedding rows that occur, by Heaps' law (an estimate)."""
    rows = min(shape.vocabulary, 20 * math.sqrt(tokens))
    return 4 * (shape.body + rows * shape.hidden)


def _missing(grid: Grid, key: Key, digest: str, stale: bool) -> list[str]:
    languages = grid.resolved.languages[key[3]]
    if stale:
        return languages
    there = recorded(grid.cells(*key))
    return [code for code in languages if there.get(code, ("", ""))[0] != digest]


def _training_tokens(grid: Grid, key: Key, sizes: Sizes, plan: Plan) -> tuple[float, float]:
    """Tokens that a training trains on, and tokens that it reads to select its checkpoint."""
    encoder, condition, _, stage = key
    tasks = grid.training_tasks(condition, stage)
    kind: Literal["intermediate", "recipe"] = "intermediate" if stage == INTERMEDIATE else "recipe"
    trained = steps = 0.0
    for task in tasks:
        h = grid.hyperparameters(task, kind)
        parts = _noted(plan, sizes, encoder, grid.train_split(condition, stage, task))
        rows = sum(size.rows for size in parts)
        mean = sum(size.rows * size.tokens for size in parts) / rows
        if h.max_examples:
            rows = min(rows, h.max_examples)
        if len(tasks) > 1:
            rows = min(rows, grid.study.multi.cap)
        seen = h.epochs * rows
        if h.max_steps:
            seen = min(seen, h.max_steps * h.batch_size)
        trained += seen * mean
        steps += seen / h.batch_size
    if grid.mixes_mlm(condition, stage):
        mlm = grid.study.mlm
        more = steps * mlm.rate / (1 - mlm.rate)
        texts = _noted(plan, sizes, encoder, grid.mlm_text())
        mean = sum(size.tokens for size in texts) / len(texts)
        trained += more * mlm.batch_size * min(mean, mlm.max_length)
        steps += more
    read = 0.0
    for task in tasks:
        dev = _noted(plan, sizes, encoder, grid.dev_split(task, stage))
        looks = math.ceil(steps / grid.hyperparameters(task, kind).eval_every)
        read += looks * sum(size.rows * size.tokens for size in dev)
    return trained, read


def _reading_tokens(
    grid: Grid, encoder: str, target: str, languages: list[str], sizes: Sizes, plan: Plan
) -> float:
    limit = grid.study.evaluation.limit(target)
    if limit is not None and grid.cards.task(target).format == "retrieval":
        limit *= 2  # queries, and the candidates that are right
    splits = [(target, split, code) for split in grid.read_of(target) for code in languages]
    found = _noted(plan, sizes, encoder, splits)
    return sum(min(size.rows, limit or math.inf) * size.tokens for size in found)


def _noted(
    plan: Plan, sizes: Sizes, encoder: str, splits: Iterable[tuple[str, str, str]]
) -> list[Size]:
    """Sizes, each noted in the plan by how it is known."""
    found = []
    for task, split, language in splits:
        size = sizes.of(encoder, task, split, language)
        name = f"{task}/{split}"
        plan.sizes[name] = min(plan.sizes.get(name, size.basis), size.basis, key=_BASES.index)
        found.append(size)
    return found


# --- wall time -----------------------------------------------------------------------------------


def wall(jobs: list[Planned], devices: int) -> tuple[float, float]:
    """Seconds on so many devices, one job each at a time; and on any number: the longest chain.

    List scheduling, the job with the longest chain behind it first (Graham 1969: at most twice the
    best).
    """
    by_title = {job.title: job for job in jobs}
    after: dict[str, list[str]] = {title: [] for title in by_title}
    for job in jobs:
        if job.needs in by_title:
            after[str(job.needs)].append(job.title)
    chain: dict[str, float] = {}
    for job in reversed(jobs):  # a job comes after what it needs
        behind = max((chain[title] for title in after[job.title]), default=0.0)
        chain[job.title] = job.seconds + behind
    ready = [(-chain[job.title], job.title) for job in jobs if job.needs not in by_title]
    heapq.heapify(ready)
    running: list[tuple[float, str]] = []
    now = 0.0
    while ready or running:
        while ready and len(running) < devices:
            _, title = heapq.heappop(ready)
            heapq.heappush(running, (now + by_title[title].seconds, title))
        now, title = heapq.heappop(running)
        for free in after[title]:
            heapq.heappush(ready, (-chain[free], free))
    return now, max(chain.values(), default=0.0)


# --- showing -------------------------------------------------------------------------------------


def text(plan: Plan, devices: int) -> str:
    """The plan for people."""
    lines = [f"{plan.study}"]
    for rule in ("train", "evaluate"):
        jobs = [job for job in plan.jobs if job.rule == rule]
        hours = sum(job.seconds for job in jobs) / 3600
        tokens = sum(job.train_tokens + job.read_tokens for job in jobs)
        lines.append(
            f"  {rule:<9} {len(jobs):>6,} to do, {plan.there[rule]:>6,} there   "
            f"{hours:>9.2f} GPU-hours   {tokens / 1e9:>9.3f} billion tokens"
        )
    if not plan.jobs:
        return "\n".join([*lines, "  nothing to do"])
    by_place: Counter[tuple[str, str]] = Counter()
    for job in plan.jobs:
        by_place[job.encoder, job.condition] += job.seconds / 3600  # type: ignore[assignment]
    wide = max(len(f"{encoder} {condition}") for encoder, condition in by_place)
    lines.append("  GPU-hours by encoder and condition")
    for (encoder, condition), hours in by_place.items():
        lines.append(f"    {f'{encoder} {condition}':<{wide}} {hours:>9.2f}")
    on, chain = wall(plan.jobs, devices)
    total = sum(job.bytes for job in plan.jobs)
    lines += [
        f"  together {plan.gpu_hours:.2f} GPU-hours; {clock(on)} on {devices} "
        f"device{'s' if devices > 1 else ''}, never less than {clock(chain)} (the longest chain)",
        f"  disk: about {total / 1e9:.1f} GB more (checkpoints and predictions)",
    ]
    for encoder, rate in plan.rates.items():
        lines.append(f"  speed of {encoder}: {rate.train:,.0f} tokens/s in training; {rate.basis}")
    bases = Counter(plan.sizes.values())
    said = ", ".join(f"{n} {basis}" for basis, n in sorted(bases.items()))
    lines.append(f"  sizes of {len(plan.sizes)} splits: {said}")
    guessed = sorted(name for name, basis in plan.sizes.items() if basis == "guessed")
    if guessed:
        lines.append(f"  guessed: {', '.join(guessed)}")
    return "\n".join(lines)


def as_json(plan: Plan, devices: int) -> dict[str, Any]:
    """The plan for programs."""
    seconds, chain = wall(plan.jobs, devices)
    return {
        "study": plan.study,
        "there": dict(plan.there),
        "gpu_hours": round(plan.gpu_hours, 4),
        "devices": devices,
        "wall_seconds": round(seconds, 1),
        "longest_chain_seconds": round(chain, 1),
        "bytes": round(sum(job.bytes for job in plan.jobs)),
        "rates": {encoder: asdict(rate) for encoder, rate in plan.rates.items()},
        "sizes": plan.sizes,
        "jobs": [asdict(job) for job in plan.jobs],
    }


# --- plan and truth ------------------------------------------------------------------------------


def frozen_path(grid: Grid) -> Path:
    """Where a run keeps what was planned before it."""
    return grid.results / "plan.json"


def freeze(grid: Grid, costs: Path) -> None:
    """When a run starts: keep what is planned. A job keeps its first plan over several starts."""
    before = _read(frozen_path(grid)).get("jobs", {})
    now = datetime.now(UTC).isoformat(timespec="seconds")
    for job in make(grid, costs).jobs:
        if before.get(job.title, {}).get("spec") != job.spec:
            before[job.title] = {
                "rule": job.rule,
                "spec": job.spec,
                "seconds": round(job.seconds, 1),
                "tokens": round(job.train_tokens + job.read_tokens),
                "planned": now,
            }
    lineage.write_json(frozen_path(grid), {"plan": 1, "jobs": before})


@dataclass(frozen=True)
class Compared:
    """Planned and true seconds of the jobs of one rule that have run since they were planned."""

    rule: str
    jobs: int
    planned: float
    took: float


def compare(grid: Grid) -> list[Compared]:
    """Compare the frozen plan with the run records; keep it as ``plan_vs_truth.json``."""
    planned = _read(frozen_path(grid)).get("jobs", {})
    rows: dict[str, dict[str, Any]] = {}
    for title, job in planned.items():
        run = _run_of(grid, title, job)
        if run is not None:
            rows[title] = job | {"took": run["seconds"], "device": run.get("device_name")}
    found = []
    for rule in ("train", "evaluate"):
        of = [row for row in rows.values() if row["rule"] == rule]
        if of:
            took = sum(row["took"] for row in of)
            found.append(Compared(rule, len(of), sum(row["seconds"] for row in of), took))
    if rows:
        says = {"by_rule": [asdict(row) for row in found], "jobs": rows}
        lineage.write_json(grid.results / "plan_vs_truth.json", says)
    return found


def _run_of(grid: Grid, title: str, job: dict[str, Any]) -> dict[str, Any] | None:
    """The record of a job's run after it was planned; None where it has not run here."""
    rule, _, place = title.partition(" ")
    if rule == "train":
        stamp = grid.results / "checkpoints" / place / "stamp.json"
        if taken_note(stamp).exists() or _read(stamp).get("spec") != job["spec"]:
            return None
        run = _read(stamp.with_name("run.json"))
    else:
        run = _read(cells.run_record(grid.results / "cells" / f"{place}.jsonl"))
    return run if run.get("started", "") >= job["planned"] else None


def comparison(found: list[Compared]) -> str:
    """The comparison in one line for each rule."""
    return "\n".join(
        f"plan and truth, {row.rule}: {row.jobs:,} jobs planned {clock(row.planned)}, "
        f"took {clock(row.took)} ({row.took / row.planned:.2f} times)"
        for row in found
    )


# --- the command ---------------------------------------------------------------------------------


def show(
    grids: list[Grid],
    costs: Path,
    *,
    devices: int,
    device: str | None,
    count: bool,
    json_: bool,
    compared: bool,
) -> int:
    """Print the plans of some studies, or how they compare with what happened."""
    for grid in grids:
        if compared:
            print(comparison(compare(grid)) or f"{grid.study.study}: nothing planned has run yet")
            continue
        plan = make(grid, costs, device=device, count=count)
        if json_:
            print(json.dumps(as_json(plan, devices), ensure_ascii=False))
        else:
            print(text(plan, devices))
    return 0
