"""The published schema and the page that explains it are what the code says."""

from __future__ import annotations

import json
import re

import jsonschema
import pytest
import yaml

from support.places import CLAIMS, STUDIES
from support.world import ROOT, STUDY
from xstilts.config.catalogue import Catalogue
from xstilts.config.hyperparameters import Hyperparameters
from xstilts.config.resolve import resolve
from xstilts.config.schema import claims_schema, study_schema
from xstilts.config.study import Compute, Evaluation, Mlm, Multi, Study, TrainingChoices
from xstilts.tasks.registry import SCHEMAS

CARDS = Catalogue(ROOT / "config", SCHEMAS)
PUBLISHED = ROOT / "workflow" / "schemas" / "study.json"
PAGE = (ROOT / "docs" / "study.md").read_text(encoding="utf-8")
GROUPS = {
    "The study": (Study, ""),
    "training": (TrainingChoices, "training."),
    "hyperparameters": (Hyperparameters, ""),
    "multi": (Multi, "multi."),
    "mlm": (Mlm, "mlm."),
    "evaluation": (Evaluation, "evaluation."),
    "compute": (Compute, "compute."),
}


class TestSchema:
    def test_the_published_schema_is_the_code_s(self):
        """Editors must not accept what the study refuses."""
        assert json.loads(PUBLISHED.read_text(encoding="utf-8")) == study_schema(CARDS), (
            "it drifted: xstilts schema > workflow/schemas/study.json"
        )

    def test_it_is_a_schema(self):
        """Of the draft that it names."""
        jsonschema.Draft202012Validator.check_schema(study_schema(CARDS))

    @pytest.mark.parametrize("path", STUDIES, ids=lambda p: p.stem)
    def test_shipped_studies_meet_it(self, path):
        """And point editors to it."""
        text = path.read_text(encoding="utf-8")
        jsonschema.validate(yaml.safe_load(text), study_schema(CARDS))
        assert "$schema=../workflow/schemas/study.json" in text

    @pytest.mark.parametrize(
        "changes",
        [
            {"encoders": ["tinny"]},
            {"conditions": ["nli"]},
            {"targets": ["qa"]},
            {"seeds": [1, 1]},
            {"seeds": {"none": [1, 1]}},
            {"seeds": {}},
            {"languages": "lowres"},
            {"recipes": {"nli": "xnli"}},
            {"trainin": {}},
            {"training": {"tasks": {"nlu": {}}}},
            {"training": {"all": {"learning_rate": "1e-5"}}},
        ],
        ids=str,
    )
    def test_it_refuses_what_the_study_refuses(self, world, changes):
        """As far as a schema can tell."""
        schema = study_schema(world.cards)
        jsonschema.validate(STUDY, schema)
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(STUDY | changes, schema)

    @pytest.mark.parametrize(
        "condition",
        ["nli~shuffled", "multi~shuffled+mlm", "none+steps-nli", "none+steps-multi+mlm", "nli@de"],
    )
    def test_it_takes_every_kind_of_condition(self, world, condition):
        """Controls as well."""
        conditions = [*STUDY["conditions"], condition]
        jsonschema.validate(STUDY | {"conditions": conditions}, study_schema(world.cards))

    @pytest.mark.parametrize(
        "condition",
        ["none~shuffled", "none+steps", "none+steps-none", "none+steps-nli~shuffled", "other"],
    )
    def test_it_takes_no_condition_that_cannot_be(self, world, condition):
        """As the study refuses them."""
        conditions = [*STUDY["conditions"], condition]
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(STUDY | {"conditions": conditions}, study_schema(world.cards))

    def test_every_key_is_described(self):
        """An editor shows it."""
        for model, _ in GROUPS.values():
            for name, about in model.model_fields.items():
                has_its_own_page = name in ("training", "multi", "mlm", "evaluation", "compute")
                assert about.description or has_its_own_page, name


class TestClaimsSchema:
    def test_the_published_schema_is_the_code_s(self):
        """Editors must not accept what `xstilts validate` refuses."""
        published = PUBLISHED.with_name("claims.json").read_text(encoding="utf-8")
        assert json.loads(published) == claims_schema(CARDS), (
            "it drifted: xstilts schema --claims > workflow/schemas/claims.json"
        )

    def test_the_shipped_claims_meet_it(self):
        """And point editors to it."""
        text = CLAIMS.read_text(encoding="utf-8")
        jsonschema.Draft202012Validator.check_schema(claims_schema(CARDS))
        jsonschema.validate(yaml.safe_load(text), claims_schema(CARDS))
        assert "$schema=../workflow/schemas/claims.json" in text

    def test_it_refuses_a_misspelled_key(self):
        """As `xstilts validate` does."""
        claims = yaml.safe_load(CLAIMS.read_text(encoding="utf-8"))
        claims["claims"][0]["sauce"] = claims["claims"][0].pop("source")
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(claims, claims_schema(CARDS))


class TestPage:
    """docs/study.md cannot drift from the code."""

    @pytest.mark.parametrize("title", GROUPS)
    def test_every_key_has_a_row_with_its_default(self, title):
        """In the order of the code."""
        model, prefix = GROUPS[title]
        section = PAGE.partition(f"### {title}\n")[2].partition("\n### ")[0].partition("\n## ")[0]
        rows = re.findall(r"^\| `([^`]+)` \| [^|]+ \| ([^|]+) \|", section, re.MULTILINE)
        assert rows == [
            (prefix + name, self.default(about)) for name, about in model.model_fields.items()
        ]

    def default(self, about):
        if about.is_required():
            return "required"
        value = about.get_default(call_default_factory=True)
        if hasattr(value, "model_dump"):
            value = value.model_dump(exclude_unset=True)
        return "`null`" if value is None else f"`{value}`"

    @pytest.mark.parametrize(
        "example", re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL), ids=lambda e: e.split()[1]
    )
    def test_every_example_is_a_study(self, example):
        """Over the cards that are shipped."""
        study = yaml.safe_load(example)
        jsonschema.validate(study, study_schema(CARDS))
        assert resolve(study, "docs/study.md", CARDS).score_keys()

    def test_there_are_examples(self):
        """Controls, a part of a grid, low-resource languages, another recipe."""
        assert PAGE.count("```yaml\n") == 4
