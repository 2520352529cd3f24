"""The report holds every number, states its own limits and is one safe file."""

from xml.etree import ElementTree

import pandas as pd
import pytest

from support.synthetic import LANGUAGES, SyntheticStudy, edit, score_file
from support.synthetic import gains_of_a_formula as score
from xstilts.analysis import table
from xstilts.analysis.report import page


def written(tmp_path, change=lambda grid: None, score=score, **options):
    """The text of the report of a synthetic study."""
    study = SyntheticStudy(tmp_path, **options)
    grid = study.grid()
    study.write_scores(grid, score)
    change(grid)
    table.write(grid, grid.paths.table)
    page.write(grid, pd.read_parquet(grid.paths.table), grid.paths.report)
    return grid.paths.report.read_text(encoding="utf-8")


def parsed(text):
    """The page as a tree: it is XML as well as HTML."""
    return ElementTree.fromstring(text.removeprefix("<!DOCTYPE html>"))


def words(element):
    return " ".join("".join(element.itertext()).split())


def rows_of(tree, kind):
    """Cells' texts of the first table of a kind, by the name of the row."""
    found = next(t for t in tree.iter("table") if t.get("class") == f"grid {kind}")
    return [[words(cell) for cell in row] for row in found.iter("tr")]


class TestPage:
    def test_it_is_one_well_formed_file(self, tmp_path):
        """Every tag is closed; there is no script, and nothing is loaded from anywhere."""
        tree = parsed(written(tmp_path))
        tags = {element.tag for element in tree.iter()}
        assert tags.isdisjoint({"script", "link", "img", "iframe", "object"})
        links = [e.get(key) for e in tree.iter() for key in ("href", "src") if e.get(key)]
        assert all(link.startswith("#") for link in links)
        ids = {element.get("id") for element in tree.iter()}
        assert {link[1:] for link in links} <= ids
        assert "url(" not in words(next(tree.iter("style")))

    def test_the_same_scores_give_the_same_bytes(self, tmp_path):
        """Nothing in the page depends on when or where it was written."""
        assert written(tmp_path / "a") == written(tmp_path / "b")

    def test_hostile_names_are_text(self, tmp_path):
        """Text of cards and tables is shown, never run."""
        hostile = "<script>alert('x')</script>\" onload=\""
        text = written(
            tmp_path,
            encoder_changes={"title": hostile, "citation": hostile},
            task_changes={"title": hostile, "licence": hostile},
            languages_tsv=LANGUAGES.replace("Swahili", "<script>Swahili</script>"),
        )
        assert "<script" not in text
        assert hostile in words(parsed(text))

    def test_many_encoders_have_a_section_each(self, tmp_path):
        """Every encoder has its headline and its own section."""
        tree = parsed(written(tmp_path, encoders=["tiny", "small", "large"]))
        heads = [words(h) for h in tree.iter("h2")]
        assert [h for h in heads if h.endswith(": by language")] == [
            "tiny: by language",
            "small: by language",
            "large: by language",
        ]

    def test_cards_are_cited(self, tmp_path):
        """Licences, citations and hyperparameters of what was run are on the page."""
        text = words(parsed(written(tmp_path)))
        for said in ("Somebody 2021 (mnli)", "CC-BY-4.0", "Nobody 2020", "learning rate", "1e-05"):
            assert said in text

    @pytest.mark.parametrize(
        ("condition", "words_of_it"),
        [
            ("none", "no intermediate training: the baseline of every gain"),
            ("mnli", "fine-tuned on mnli (English)"),
            ("mnli@sw+yo", "fine-tuned on mnli (sw and yo)"),
            ("mnli_plus", "fine-tuned on mnli_plus (mnli + squad) (English)"),
            ("multi", "fine-tuned on all of mnli, mnli_plus (mnli + squad) at once (English)"),
            (
                "mnli+mlm",
                "fine-tuned on mnli (English), with masked language modelling of texts mixed in",
            ),
        ],
    )
    def test_conditions_are_described(self, tmp_path, condition, words_of_it):
        """For readers who do not know the grammar of conditions."""
        conditions = dict.fromkeys(["none", "mnli", "mnli_plus", condition])
        text = {"task_type": "mlm", "scorer": "none", "primary": "loss", "recipe": None}
        both = {"parts": ["mnli", "squad"], "splits": {}, "recipe": None}
        cards = {"mnli_plus": both, "squad": {}, "texts": text}
        options = {"conditions": list(conditions), "changes_by_task": cards}
        tree = parsed(written(tmp_path, mlm={"text": "texts"}, seeds=[1], **options))
        rows = [[words(cell) for cell in row] for row in tree.iter("tr")]
        assert [condition, words_of_it] in rows

    def test_multi_has_settings(self, tmp_path):
        """The settings of the condition of all tasks at once are on the page."""
        text = words(parsed(written(tmp_path, conditions=["none", "mnli", "squad", "multi"])))
        assert "multi.temperature" in text


class TestNumbers:
    def test_headline(self, tmp_path):
        """Mean gains over the zero-shot and the low-resource languages stand first."""
        rows = rows_of(parsed(written(tmp_path)), "headline")
        # zero-shot: (1 + 2 + 3 - 4 + 7 - 6) / 6 + 0.25; low-resource: (3 - 4 + 7) / 3 + 0.25
        assert rows[1] == ["All zero-shot languages"]
        assert rows[2:4] == [["languages", "6"], ["baseline score (none)", "50.0"]]
        assert rows[4][1] == "+0.8 [−4.2, +5.7]"
        assert rows[6] == ["languages", "3"]
        assert rows[8][1] == "+2.2 [−11.6, +16.1]"

    def test_an_interval_that_excludes_zero_is_bold(self, tmp_path):
        """The languages gain 20 to 33 points."""
        text = written(tmp_path, score=lambda c: score(c) + 26.0 * (c.condition != "none"))
        assert "firm" in text.partition("<body")[2]

    def test_equal_gains_in_all_languages_are_not_bold(self, tmp_path):
        """They have no interval, so none excludes zero; the page says why."""
        page_of_equals = written(tmp_path, score=lambda c: 50.0 + 5.0 * (c.condition != "none"))
        assert rows_of(parsed(page_of_equals), "headline")[4][1] == "+5.0"
        assert "firm" not in page_of_equals.partition("<body")[2]
        said = words(parsed(page_of_equals))
        assert "1 of 1 mean gain (condition × target) is above zero, 0 of them" in said
        assert "A mean has no interval if all languages gain the same" in said
        assert "if all languages gain the same" not in words(parsed(written(tmp_path / "other")))

    def test_average_scores_stand_with_english_and_without(self, tmp_path):
        """XTREME's rule and TyDi QA's, of every condition, the baseline as well."""
        tree = parsed(written(tmp_path))
        tables = [t for t in tree.iter("table") if t.get("class") == "grid headline"]
        rows = [[words(cell) for cell in row] for row in tables[-1].iter("tr")]
        assert rows[1] == ["All languages, English where a target has it"]
        # (9 + 1 + 2 + 3 - 4 + 7 - 6) / 7 + 0.25, and without the 9 of English
        assert [row[1] for row in rows[2:4]] == ["50.0", "52.0"]
        assert rows[4] == ["All languages except English"]
        assert [row[1] for row in rows[5:7]] == ["50.0", "50.8"]

    def test_heat_map(self, tmp_path):
        """Languages stand by class, then by name: baseline, gain, and the mean of each class."""
        rows = rows_of(parsed(written(tmp_path)), "heat")[1:]
        assert rows == [
            ["English · not zero-shot", "50.0", "+9.2"],
            ["English en", "50.0", "+9.2"],
            ["Joshi class 1 · low-resource", "50.0", "+7.2"],
            ["Quechua qu", "50.0", "+7.2"],
            ["Joshi class 2 · low-resource mean of 2", "50.0", "−0.2"],
            ["Swahili sw", "50.0", "+3.2"],
            ["Yoruba yo", "50.0", "−3.8"],
            ["Joshi class 4", "50.0", "+2.2"],
            ["Russian ru", "50.0", "+2.2"],
            ["Joshi class 5", "50.0", "+1.2"],
            ["German de", "50.0", "+1.2"],
            ["Joshi class unknown", "50.0", "−5.8"],
            ["Unknownish xx", "50.0", "−5.8"],
        ]

    def test_tooltip(self, tmp_path):
        """A gain's tooltip has its score, baseline, test items and seeds."""
        assert (
            "Yoruba · mnli: score 46.2, baseline 50.0, n = 50; seed 1: −4.0, seed 2: −3.5"
            in written(tmp_path)
        )

    def test_score_tables(self, tmp_path):
        """Scores have their number of test items and their spread between seeds."""
        rows = rows_of(parsed(written(tmp_path)), "scores")
        assert ["Swahili sw", "50", "50.0 ±0.0", "53.2 ±0.4"] in rows

    def test_other_metrics(self, tmp_path):
        """Every other metric has its own score table."""
        captions = [words(c) for c in parsed(written(tmp_path)).iter("caption")]
        assert "exact_match (not the primary metric)" in captions
        assert "f1 (not the primary metric)" in captions

    def test_a_metric_that_a_score_lacks_is_a_dash(self, tmp_path):
        """A score without some metric is a dash; the rest of the page is complete."""

        def drop(grid):
            edit(
                score_file(grid, "mnli", 1),
                "sw",
                metrics={"em_f1": 53.0},
            )

        tables = parsed(written(tmp_path, drop, seeds=[1])).iter("table")
        scores = [t for t in tables if t.get("class") == "grid scores"]
        rows = [[words(cell) for cell in row] for t in scores for row in t.iter("tr")]
        assert ["Swahili sw", "50", "50.0", "–"] in rows

    def test_an_undefined_score_is_listed(self, tmp_path):
        """An undefined score is in no mean, and the page lists it."""

        def undefine(grid):
            edit(
                score_file(grid, "mnli", 1),
                "qu",
                metrics={"em_f1": None},
            )

        tree = parsed(written(tmp_path, undefine, seeds=[1]))
        assert "1 score is undefined" in words(tree)
        assert rows_of(tree, "headline")[2] == ["languages", "5"]
        tables = [t for t in tree.iter("table") if t.get("class") == "grid headline"]
        rows = [[words(cell) for cell in row] for row in tables[-1].iter("tr")]
        # (9 + 1 + 2 + 3 - 4 - 6) / 6, and without the 9 of English
        assert [row for row in rows if row[0] == "mnli"] == [
            ["mnli", "50.8 n = 6"],
            ["mnli", "49.2 n = 5"],
        ]


class TestLimits:
    def test_single_seed(self, tmp_path):
        """With one seed the page says what is unknown."""
        text = words(parsed(written(tmp_path, seeds=[1])))
        assert "Every model was trained once." in text

    def test_only_none(self, tmp_path):
        """Without an intermediate task there are no gains, and the page says so."""
        tree = parsed(written(tmp_path, conditions=["none"]))
        assert "There are no gains to report." in words(tree)
        assert not [t for t in tree.iter("table") if t.get("class") == "grid heat"]
        assert ["Swahili sw", "50", "50.0 ±0.0"] in rows_of(tree, "scores")

    def test_a_task_that_is_trained_on_twice_is_reported(self, tmp_path):
        """SQuAD before a target that is fine-tuned on SQuAD is more of the same."""
        study = {"conditions": ["none", "mnli", "squad"], "targets": ["xquad", "tydiqa"]}
        text = words(parsed(written(tmp_path / "a", **study)))
        assert "Same task twice." not in text
        changes = {"task_changes": {"recipe": "squad"}}
        text = words(parsed(written(tmp_path / "b", **study, **changes)))
        assert "is fine-tuned as well: squad before xquad, tydiqa. Their gains" in text

    def test_a_baseline_that_is_trained_on_another_task_is_reported(self, tmp_path):
        """XCOPA is evaluated after Social IQa and COPA: its baseline is intermediate-trained."""
        study = {"conditions": ["none", "siqa"], "targets": ["copa"]}
        text = words(parsed(written(tmp_path / "a", **study)))
        assert "Baselines with intermediate training" not in text
        only = {"copa": {"follows": "siqa"}}
        text = words(parsed(written(tmp_path / "b", **study, changes_by_task=only)))
        assert "also in condition none: copa after siqa." in text
        assert "is fine-tuned as well: siqa before copa." in text

    def test_languages_with_training_data_are_reported(self, tmp_path):
        """Transfer to Swahili is not zero-shot after training in Swahili."""
        study = {"conditions": ["none", "mnli@sw+yo"]}
        text = words(parsed(written(tmp_path, **study)))
        assert "means of zero-shot languages include them: mnli@sw+yo in sw, yo." in text

    def test_a_task_without_english_is_not_called_english(self, tmp_path):
        """It is trained on in its own language."""
        only = {"mnli": {"languages": ["sw", "yo"]}}
        text = words(parsed(written(tmp_path, changes_by_task=only)))
        assert "fine-tuned on mnli (sw)" in text
        assert "include them: mnli in sw." in text

    def test_sampled_candidates_are_reported(self, tmp_path):
        """Retrieval among some of the candidates is easier than the benchmark."""
        study = {"targets": ["tatoeba", "xquad"], "evaluation": {"max_examples": 50}}
        text = words(parsed(written(tmp_path / "a", **study)))
        assert "The study scores at most 50 items of a language." in text
        assert "candidates of the search" not in text
        retrieval = {"task_type": "retrieval", "scorer": "nearest", "primary": "accuracy"}
        only = {"tatoeba": retrieval}
        text = words(parsed(written(tmp_path / "b", **study, changes_by_task=only)))
        assert (
            "In tatoeba, the candidates of the search are only the right ones of these items"
            in text
        )

    def test_english_is_in_means_of_scores_only(self, tmp_path):
        """The averages of whole benchmarks have it."""
        assert "English is in no mean gain." in words(parsed(written(tmp_path)))

    def test_embedded(self, tmp_path):
        """Results on the embedded benchmark are called a demonstration before anything else."""
        text = words(parsed(written(tmp_path / "a", embedded=True)).find("body"))
        assert 0 < text.index("Demonstration only.") < text.index("Gains")
        assert "Demonstration" not in written(tmp_path / "b")

    def test_unknown_class_is_named(self, tmp_path):
        """Languages without a known class are listed by name."""
        text = words(parsed(written(tmp_path)))
        assert "and are in no resource group: Unknownish." in text

    def test_warnings(self, tmp_path):
        """A score with a warning is listed, and marks every number that includes it."""

        def warn(grid):
            edit(
                score_file(grid, "mnli", 2),
                "yo",
                warnings=["majority_class"],
            )

        tree = parsed(written(tmp_path, warn))
        assert "1 score of 28 has a warning" in words(tree)
        rows = [[words(cell) for cell in row] for row in tree.iter("tr")]
        assert ["tiny", "mnli", "2", "xquad", "yo", "46.5", "50", "majority_class"] in rows
        assert rows_of(tree, "headline")[4][1].startswith("+0.8†")
        assert rows_of(tree, "heat")[7] == ["Yoruba yo", "50.0", "−3.8†"]
        assert rows_of(tree, "heat")[5][2] == "−0.2†"
        assert ["Yoruba yo", "50", "50.0 ±0.0", "46.2† ±0.4"] in rows_of(tree, "scores")

    def test_no_warnings(self, tmp_path):
        """Without warnings the page says so, and has no dagger."""
        text = written(tmp_path)
        assert "No score has a warning." in text
        assert "†" not in text

    def test_standard_error_on_the_page(self, tmp_path):
        """50 items at a score of 50: the root of 50 * 50 / 50."""
        rows = [[words(cell) for cell in row] for row in parsed(written(tmp_path)).iter("tr")]
        limits = next(row for row in rows if row[:2] == ["xquad", "em_f1"])
        assert limits == [
            "xquad",
            "em_f1",
            "3",
            "2",
            "1",
            "50",
            "7.1",
            "0.4",
            "0 of 6 (0.0)",
            "0 of 6",
        ]


class TestTraces:
    def test_every_score_with_its_spec(self, tmp_path):
        """Each score file and the digest of its spec are on the page."""
        text = words(parsed(written(tmp_path)))
        assert "scores/tiny/mnli/seed2/xquad.jsonl" in text
        assert "yo: 46.5 (50)" in text
        specs = table.collect(SyntheticStudy(tmp_path).grid())["spec"]
        assert all(spec in text for spec in specs)

    def test_a_large_grid_is_not_listed(self, tmp_path, monkeypatch):
        """The page says where its digests are instead."""
        monkeypatch.setattr(page, "LISTED_SCORES", 27)
        text = words(parsed(written(tmp_path)))
        assert "too many to list here" in text
        assert "yo: 46.5" not in text
