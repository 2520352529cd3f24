"""The packaged encoder, decoded from its 4-bit blocks, is the encoder that it claims to be."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from support.places import ROOT as HOME
from xstilts.config.hyperparameters import Hyperparameters
from xstilts.models import checkpoint
from xstilts.models.batch import pack
from xstilts.models.embedding_rows import EmbeddingRows
from xstilts.models.tokenizer import Tokenizer
from xstilts.tasks.base import EncodingContext, load_model

if TYPE_CHECKING:
    from pathlib import Path

REFERENCE = json.loads((HOME / "tests/data/e5_small_reference.json").read_text(encoding="utf-8"))


@pytest.fixture
def folder(packaged_encoder) -> Path:
    return packaged_encoder


def embeddings(folder: Path, texts: list[str]) -> np.ndarray:
    retrieval = load_model("retrieval")
    rows = [{"id": t, "side": "query", "text": f"passage: {t}", "relevant": []} for t in texts]
    context = EncodingContext(Tokenizer(folder), (), Hyperparameters())
    features = retrieval.encode(rows, context)
    rows = EmbeddingRows.of([features])
    encoder = checkpoint.build(folder, None, rows).eval()
    batch = pack(rows.number(features), range(len(features)))
    with torch.inference_mode():
        vectors = retrieval.head(0, ())(encoder(batch), batch).numpy()
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_embeddings_are_those_of_the_reference_engine(folder):
    """Mean-pooled embeddings agree with the package's own engine to cosine 0.999 in six scripts."""
    texts = list(REFERENCE["vectors"])
    theirs = np.asarray([REFERENCE["vectors"][text] for text in texts])
    cosines = (embeddings(folder, texts) * theirs).sum(axis=1)
    assert cosines.min() >= 0.999, dict(zip(texts, cosines.round(5), strict=True))


def test_the_folder_is_an_ordinary_hugging_face_folder(folder):
    """transformers loads it without help and gives the same hidden states."""
    import transformers

    model = transformers.AutoModel.from_pretrained(folder).eval()
    ids = torch.tensor([[0, 581, 7515, 2]])
    with torch.inference_mode():
        theirs = model(ids).last_hidden_state[0]
    encoder = checkpoint.build(folder, None, EmbeddingRows(torch.tensor([0, 2, 581, 7515]))).eval()
    from xstilts.models.batch import one_sequence_instances

    features = one_sequence_instances([np.array([0, 2, 3, 1], np.int32)], [4], [None])
    with torch.inference_mode():
        ours = encoder(pack(features, [0]))
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-3)
