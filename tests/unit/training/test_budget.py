"""What a GPU has to do for a step of XLM-R Large: operations that it starts, bytes that they move.

Nothing is computed: torch's fake tensors have shapes only. The code goes the way that it goes on a
GPU (`is_cached` is false), with AdamW and clipping, in 32 pairs of MNLI's lengths.
"""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from xstilts.config.hyperparameters import Hyperparameters
from xstilts.models import dropout
from xstilts.models.batch import one_sequence_instances
from xstilts.models.device import Device
from xstilts.models.network import attention, registry
from xstilts.tasks.base import load_model
from xstilts.training.step import StepGradients
from xstilts.training.update import Update

CONFIG = {
    "model_type": "xlm-roberta",
    "hidden_size": 1024,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "intermediate_size": 4096,
    "max_position_embeddings": 514,
    "type_vocab_size": 1,
    "layer_norm_eps": 1e-5,
    "hidden_dropout_prob": 0.1,
    "attention_probs_dropout_prob": 0.1,
    "vocab_size": 250_002,
    "hidden_act": "gelu",
}
ROWS = 38_000  # of the vocabulary, as of all of MultiNLI (docs/performance.md)
LENGTHS = [*range(16, 78, 2), 107]  # 48 tokens on average
LABELS = ["entailment", "neutral", "contradiction"]
PARTS = ("gradient", "update")
STARTS_NOTHING = ("aten::empty.memory_format", "aten::empty_like", "aten::new_empty")


class Counted(TorchDispatchMode):
    """Counts operations that start a kernel, and the bytes of the tensors they read and write."""

    def __init__(self) -> None:
        super().__init__()
        self.operations, self.bytes = 0, 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        if func.namespace == "aten" and not func.is_view and func.name() not in STARTS_NOTHING:
            self.operations += 1
            read = tensors_of((args, kwargs))
            changed = [i for i, a in enumerate(func._schema.arguments) if is_changed(a)]
            written = tensors_of(([args[i] for i in changed if i < len(args)], out))
            self.bytes += sum(t.numel() * t.element_size() for t in (*read, *written))
        return out


def tensors_of(values) -> list[torch.Tensor]:
    """The tensors in nested values, each once."""
    leaves = {id(x): x for x in tree_leaves(values) if isinstance(x, torch.Tensor)}
    return list(leaves.values())


def is_changed(argument) -> bool:
    """Whether an operation writes into this argument."""
    return argument.alias_info is not None and argument.alias_info.is_write


def counted(precision: str, folder) -> dict[str, Counted]:
    """What each part of the step after the first one takes."""
    (folder / "config.json").write_text(json.dumps(CONFIG))
    sequences = [np.zeros(n, dtype=np.int32) for n in LENGTHS]
    features = one_sequence_instances(sequences, LENGTHS, [0] * len(LENGTHS))
    task_model = load_model("classification")
    data = SimpleNamespace(
        features={"mnli": features},
        lengths={"mnli": features.lengths()},
        task_models={"mnli": task_model},
    )
    h = Hyperparameters()
    with FakeTensorMode(allow_non_fake_inputs=True):
        encoder = registry.blank(folder, ROWS).train()
        heads = nn.ModuleDict({"mnli": task_model.head(1024, LABELS)}).train()
        device = Device("cpu", precision, 1)
        gradients = StepGradients(data, encoder, heads, device, {"mnli": h}, 1, 8192)
        named = dict(nn.ModuleList([encoder, heads]).named_parameters())
        update = Update(named, set(), h)
        found = {}
        for step in range(2):  # the first one makes what is kept: moments, seeds of columns
            found = {part: Counted() for part in PARTS}
            with found["gradient"]:
                gradients.compute(step, "mnli", np.arange(len(LENGTHS)))
            with found["update"]:
                update.step("", 1e-5, 1.0)
    return found


def test_a_step_under_bf16_keeps_its_budget(tmp_path, monkeypatch):
    """What needs less lowers the budget here; what needs more says why it is worth it.

    In the update some 300 operations are norms of single gradients, which are one on a GPU.
    """
    for module in (attention, dropout):
        monkeypatch.setattr(module, "is_cached", lambda _: False)
    found = counted("bf16", tmp_path)
    gradient, update = (found[part] for part in PARTS)
    assert 1_900 < gradient.operations <= 1_940
    assert 30.0 < gradient.bytes / 1e9 <= 30.5
    assert 300 < update.operations <= 310
    assert 12.0 < update.bytes / 1e9 <= 12.5
