"""Tiny things that behave as the real ones: a tokenizer, an encoder, example files, jobs."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from hypothesis import settings
from safetensors.torch import save_file
from tokenizers import Regex, Tokenizer, models, pre_tokenizers, processors
from torch.utils._python_dispatch import TorchDispatchMode

from xstilts.config.hyperparameters import Hyperparameters
from xstilts.config.study import Compute, Evaluation, Multi
from xstilts.data import examples
from xstilts.evaluation.job import EvaluationJob
from xstilts.models import checkpoint
from xstilts.models.dropout import AttentionDropout, Dropout
from xstilts.models.network import registry
from xstilts.models.network import weights as network_weights
from xstilts.provenance.stamp import write_stamp
from xstilts.tasks.registry import SCHEMAS
from xstilts.training.job import TaskJob, TrainingJob

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

settings.register_profile("no_deadline", deadline=None)  # a shared machine may pause a test
settings.load_profile("no_deadline")
torch.set_num_threads(1)

SPECIALS = ("<s>", "<pad>", "</s>", "<unk>")
MASK = "<mask>"
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789.,?是今天日本ไทยé"
VOCABULARY = (*SPECIALS, *LETTERS, MASK)
ROWS = len(VOCABULARY) + 20
"""Rows of the embedding matrix: more than any text can use."""


def tokenizer_file(folder: Path, second_type: int = 0, fast: Tokenizer | None = None) -> Path:
    """Save a tokenizer: every letter is a token, ``<s> A </s></s> B </s>`` as in XLM-R."""
    fast = fast or letter_tokenizer(second_type)
    folder.mkdir(parents=True, exist_ok=True)
    fast.save(str(folder / "tokenizer.json"))
    return folder


def letter_tokenizer(second_type: int = 0) -> Tokenizer:
    fast = Tokenizer(models.WordLevel({t: i for i, t in enumerate(VOCABULARY)}, unk_token="<unk>"))
    fast.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Split(Regex("."), "isolated")]
    )
    fast.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        pair=f"<s> $A </s> </s>:{second_type} $B:{second_type} </s>:{second_type}",
        special_tokens=[("<s>", 0), ("</s>", 2)],
    )
    return fast


def encoder(
    folder: Path,
    *,
    dropout: float = 0.1,
    positions: int = 130,
    seed: int = 0,
    types: int = 1,
    hidden: int = 16,
) -> Path:
    """Write a random XLM-R of two layers as an ordinary folder; gives its stamp."""
    tokenizer_file(folder)
    config = {
        "model_type": "xlm-roberta",
        "hidden_size": hidden,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 24,
        "max_position_embeddings": positions + 2,
        "type_vocab_size": types,
        "layer_norm_eps": 1e-5,
        "hidden_dropout_prob": dropout,
        "attention_probs_dropout_prob": dropout,
        "vocab_size": ROWS,
        "hidden_act": "gelu",
    }
    (folder / "config.json").write_text(json.dumps(config))
    torch.manual_seed(seed)
    made = registry.blank(folder, ROWS)
    tensors = network_weights.body_tensors(made)
    tensors[network_weights.WORD_EMBEDDINGS] = made.words.weight.detach().clone()
    save_file({k: v.detach().clone() for k, v in tensors.items()}, folder / "model.safetensors")
    stamp = folder / "encoder.json"
    files = [folder / n for n in ("config.json", "model.safetensors", "tokenizer.json")]
    write_stamp(stamp, spec=f"encoder{seed}", inputs={}, files=files)
    return stamp


def split(stamp: Path, task_type: str, rows: Sequence[examples.Example]) -> Path:
    """Write examples and their stamp."""
    count = examples.write(stamp.with_suffix(".parquet"), SCHEMAS[task_type], rows)
    write_stamp(
        stamp,
        spec="examples",
        inputs={},
        files=[stamp.with_suffix(".parquet")],
        outcomes={"rows": count},
    )
    return stamp


# --- examples ------------------------------------------------------------------------------------


def sentences(n: int, alphabet: str = "abcdefgh") -> list[examples.Example]:
    """Pairs of texts of many lengths; the label is decided by the first letter."""
    return [
        {
            "id": f"c{i}",
            "text": "".join(alphabet[(i * 7 + k * k) % len(alphabet)] for k in range(1 + i % 9)),
            "text_pair": None if i % 3 == 0 else alphabet[i % len(alphabet)] * (1 + i % 4),
            "label": ("yes", "no")[(i * 7) % len(alphabet) % 2],
        }
        for i in range(n)
    ]


def tagged(n: int, alphabet: str = "ijklmnop") -> list[examples.Example]:
    """Sentences of words; a word's tag is decided by its letter."""
    rows = []
    for i in range(n):
        words = [alphabet[(i + k) % len(alphabet)] * (1 + (i * k) % 3) for k in range(1 + i % 6)]
        tags = [("NOUN", "VERB")[alphabet.index(w[0]) % 2] for w in words]
        rows.append({"id": f"t{i}", "tokens": words, "tags": tags})
    return rows


def choices(n: int, alphabet: str = "abcdefgh") -> list[examples.Example]:
    """Two to four choices after a prompt."""
    return [
        {
            "id": f"m{i}",
            "prompt": alphabet[i % len(alphabet)] * (1 + i % 5),
            "choices": [alphabet[(i + k) % len(alphabet)] * (1 + k) for k in range(2 + i % 3)],
            "label": i % 2,
        }
        for i in range(n)
    ]


def questions(n: int, alphabet: str = "abcdefgh") -> list[examples.Example]:
    """A context of letters, an answer somewhere in it."""
    rows = []
    for i in range(n):
        context = "".join(alphabet[(i * 3 + k * k) % len(alphabet)] for k in range(5 + i % 30))
        start = i % (len(context) - 3)
        answer = {"text": context[start : start + 1 + i % 3], "start": start}
        rows.append({"id": f"q{i}", "context": context, "question": "what?", "answers": [answer]})
    return rows


def translations(n: int, shift: int = 0) -> list[examples.Example]:
    """Queries and, in the same order, their candidates."""
    texts = [
        "".join(LETTERS[(i * 5 + k * (i + 1)) % 30] for k in range(3 + i % 4)) for i in range(n)
    ]
    return [
        {"id": f"q{i}", "side": "query", "text": text, "relevant": [f"c{i}"]}
        for i, text in enumerate(texts)
    ] + [
        {"id": f"c{i}", "side": "candidate", "text": text + "." * shift, "relevant": []}
        for i, text in enumerate(texts)
    ]


def articles(n: int, alphabet: str = "abcdefgh") -> list[examples.Example]:
    """Documents of three passages with text between them; some questions have no answer."""
    rows = []
    for i in range(n):
        passages, document, answer = [], "né ", {"passage": -1, "start": -1, "end": -1}
        for k in range(3):
            text = "".join(alphabet[(i + k + j * j) % len(alphabet)] for j in range(3 + 2 * k))
            start = len(document.encode())
            document += text + " 今 "
            passages.append({"start": start, "end": start + len(text)})
            if i % 4 == k:
                answer = {"passage": k, "start": start + 1, "end": start + 3}
        words = answer | {"yes_no": "none"}
        if i % 8 == 1:
            words |= {"start": -1, "end": -1, "yes_no": ("yes", "no")[i % 16 == 1]}
        rows.append(
            {
                "id": f"d{i}",
                "question": alphabet[i % len(alphabet)] + "?",
                "document": document,
                "passages": passages,
                "annotations": [words] * 3,
            }
        )
    return rows


def texts(n: int) -> list[examples.Example]:
    """Plain text of many lengths in letters that no task has."""
    return [
        {"id": f"x{i}", "text": "".join(LETTERS[10 + (i + k) % 20] for k in range(1 + i % 25))}
        for i in range(n)
    ]


ROWS_OF = {
    "classification": (sentences, ("yes", "no")),
    "tagging": (tagged, ("NOUN", "VERB")),
    "multiple_choice": (choices, ()),
    "span_qa": (questions, ()),
    "document_qa": (articles, ()),
}


SCORING = {
    "classification": ("accuracy", "accuracy"),
    "tagging": ("token_accuracy", "accuracy"),
    "multiple_choice": ("accuracy", "accuracy"),
    "span_qa": ("squad", "em_f1"),
    "document_qa": ("tydi", "minimal_f1"),
}
"""Scorer and primary metric of each task type."""


# --- jobs ----------------------------------------------------------------------------------------


def hyperparameters(**changes: Any) -> Hyperparameters:
    values = {"epochs": 2, "batch_size": 4, "learning_rate": 1e-2, "max_length": 32}
    return Hyperparameters(**(values | {"doc_stride": 8, "max_query_length": 8} | changes))


def compute(**changes: Any) -> Compute:
    return Compute(**({"precision": "fp32", "threads": 1} | changes))


def task(folder: Path, task_type: str = "classification", n: int = 14, **changes: Any) -> TaskJob:
    """A task called ``t_<task_type>`` with examples of its own."""
    rows, labels = ROWS_OF[task_type]
    stamp = folder / "examples" / f"{task_type}{n}" / "en.json"
    if not stamp.exists():
        split(stamp, task_type, rows(n))
    return TaskJob(
        f"t_{task_type}",
        task_type,
        labels,
        (stamp,),
        hyperparameters(**changes),
        *SCORING[task_type],
    )


def training_job(
    folder: Path, *tasks: TaskJob, name: str = "trained", **changes: Any
) -> TrainingJob:
    """A training of the random encoder in ``folder/encoder``, made where there is none."""
    pretrained = folder / "encoder" / "encoder.json"
    values: dict[str, Any] = {
        "stamp": folder / name / "checkpoint.json",
        "spec": "spec1",
        "encoder": pretrained if pretrained.exists() else encoder(pretrained.parent),
        "start": None,
        "tasks": tasks or (task(folder),),
        "multi": Multi(),
        "compute": compute(),
        "seed": 1,
        "save_every": 1e9,
    }
    return TrainingJob(**(values | changes))


def weights(job: TrainingJob) -> bytes:
    """The bytes of the weights that a training left."""
    return (job.folder / checkpoint.FILE).read_bytes()


def small_device(state: Any, tokens: int, allocate: Callable[[], None] | None = None) -> None:
    """From now on a batch of more tokens than this cannot be computed."""

    def refuse(module, arguments, output):
        if len(arguments[0].ids) > tokens:
            (allocate or too_much)()

    state.encoder.register_forward_hook(refuse)


def too_much() -> None:
    """The real thing: no machine has an exbibyte."""
    torch.empty(2**60, dtype=torch.uint8)


def evaluation_job(folder: Path, trained: TrainingJob, tests: Mapping[str, Path], **changes: Any):
    """An evaluation of a training's first task."""
    learnt = trained.tasks[0]
    values: dict[str, Any] = {
        "spec": "spec1",
        "identity": {"encoder": "tiny", "condition": "none", "seed": 1, "target": "toy"},
        "task_type": learnt.task_type,
        "labels": learnt.labels,
        "scorer": "accuracy",
        "primary": "accuracy",
        "encoder": trained.encoder,
        "checkpoint": trained.stamp,
        "head": learnt.name,
        "layer": None,
        "limits": learnt.hyperparameters,
        "evaluation": Evaluation(batch_tokens=64),
        "compute": compute(),
        "score_file": folder / "cells" / "toy.jsonl",
        "examples": dict(tests),
        "work": folder / "work",
    }
    return EvaluationJob(**(values | changes))


class _Kernels(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.started: list[str] = []

    def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None):
        out = operation(*args, **(kwargs or {}))
        if not operation.is_view and operation.name() not in _NO_KERNEL:
            self.started.append(operation.name())
        return out


_NO_KERNEL = {
    "aten::empty.memory_format",
    "aten::new_empty",
    "aten::empty_like",
    "aten::_unsafe_view",
}


@contextmanager
def kernels() -> Iterator[list[str]]:
    """The operations that compute something: on a GPU a kernel each, at least."""
    with _Kernels() as mode:
        yield mode.started


@contextmanager
def dropout_layers_used() -> Iterator[list[str]]:
    """The places of the dropouts that are used, one entry for each use."""
    found: list[str] = []
    before = Dropout._dropped, AttentionDropout.seeds_of

    def dropped(module: Dropout, *args: Any) -> Any:
        found.append(module.layer_name)
        return before[0](module, *args)

    def seeds_of(module: AttentionDropout, *args: Any) -> Any:
        found.append(module.layer_name)
        return before[1](module, *args)

    Dropout._dropped, AttentionDropout.seeds_of = dropped, seeds_of
    try:
        yield found
    finally:
        Dropout._dropped, AttentionDropout.seeds_of = before
