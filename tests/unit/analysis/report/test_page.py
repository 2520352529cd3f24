"""The page says what the study shows, states its own limits and is one safe file."""

import base64
import hashlib
import html
import json
import re
from xml.etree import ElementTree

import pandas as pd
import pytest

from support.synthetic import LANGUAGES, SyntheticStudy, edit, score_file
from support.synthetic import gains_of_a_formula as score
from xstilts.analysis import table
from xstilts.analysis.report import cells, page
from xstilts.analysis.report.files import report_files
from xstilts.grid.keys import ExamplesKey
from xstilts.provenance.stamp import verify, write_stamp


def study_in(folder, change=lambda grid: None, score=score, **options):
    """The grid and the scores of a synthetic study."""
    study = SyntheticStudy(folder, **options)
    grid = study.grid()
    study.write_scores(grid, score)
    change(grid)
    return grid, table.collect(grid)


def rendered(grid, rows, missing=()):
    return page.render(page.page_of(grid, rows, missing), grid.cards.languages())


def without_gains(folder, change=lambda grid: None, **options):
    """The page of the baseline's scores only: nothing is drawn, so that it takes no time."""
    grid, rows = study_in(folder, change, **options)
    return rendered(grid, rows[rows["condition"] == "none"])


def parsed(text):
    """The page as a tree: but for its scripts it is XML as well as HTML."""
    text = re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL)
    return ElementTree.fromstring(text.removeprefix("<!DOCTYPE html>"))


def words(element):
    return " ".join("".join(element.itertext()).split())


def rows_of(tree, identifier):
    found = next(t for t in tree.iter("table") if t.get("id") == identifier)
    return [[words(cell) for cell in row] for row in found.iter("tr")]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The page of a finished study with two seeds, and its folder."""
    folder = tmp_path_factory.mktemp("whole")
    grid, rows = study_in(folder)
    table.write(grid, grid.paths.table)
    page.write(grid, rows, grid.paths.report)
    return grid, grid.paths.report.read_text(encoding="utf-8")


class TestPage:
    def test_every_link_within_the_page_has_its_end(self, whole):
        """A number leads to its row, a row to its files."""
        _, text = whole
        tree = parsed(text)
        links = [e.get("href") for e in tree.iter() if (e.get("href") or "").startswith("#")]
        identifiers = [element.get("id") for element in tree.iter() if element.get("id")]
        assert {html.unescape(link[1:]) for link in links} <= set(identifiers)
        assert len(identifiers) == len(set(identifiers))

    def test_it_loads_nothing(self, whole):
        """Neither a link of the document nor a style names an address."""
        _, text = whole
        tags = {element.tag.rpartition("}")[2] for element in parsed(text).iter()}
        assert tags.isdisjoint({"link", "img", "iframe", "object", "image"})
        assert not re.search(r"""(src|href)=["'](https?:)?//""", text)
        assert not re.search(r"url\((?!#)", text)

    def test_its_policy_allows_one_style_and_one_script_by_their_hashes(self, whole):
        """And no attribute styles anything."""
        _, text = whole
        policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)[1]
        for tag in ("style", "script"):
            (source,) = re.findall(rf"<{tag}>(.*?)</{tag}>", text, flags=re.DOTALL)
            digest = base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()
            assert f"{tag}-src 'sha256-{digest}'" in policy
        assert "unsafe" not in policy
        assert " style=" not in text

    def test_the_script_is_short(self, whole):
        """A reader can read it."""
        _, text = whole
        (source,) = re.findall(r"<script>(.*?)</script>", text, flags=re.DOTALL)
        assert len(source.splitlines()) < 200

    def test_the_files_beside_it_are_those_that_the_workflow_expects(self, whole):
        """Each is linked on the page, and the stamp names them all."""
        grid, text = whole
        expected = report_files(grid)
        assert all(path.is_file() for path in expected)
        named = verify(grid.report.stamp, grid.report.digest)["files"]
        assert len(named) == len(expected) + 2  # the page and gains.csv
        for path in expected:
            assert f'href="{path.relative_to(grid.paths.results).as_posix()}"' in text

    def test_the_same_scores_give_the_same_bytes(self, whole, tmp_path):
        """The page and every file of it, wherever and whenever they are written."""
        grid, _ = whole
        first = grid.paths.results
        again, rows = study_in(tmp_path)
        second = again.paths.results
        for path in page.write_files(again, rows, again.paths.report):
            assert path.read_bytes() == (first / path.relative_to(second)).read_bytes(), path

    def test_every_table_has_a_caption(self, whole):
        """Screen readers announce it."""
        _, text = whole
        for each in parsed(text).iter("table"):
            assert each.find("caption") is not None, each.get("id")

    def test_every_drawing_has_a_title_and_a_description(self, whole):
        """For those who do not see it."""
        _, text = whole
        svg = "{http://www.w3.org/2000/svg}"
        drawings = list(parsed(text).iter(f"{svg}svg"))
        assert len(drawings) == 7
        for drawing in drawings:
            parts = drawing.get("aria-labelledby").split()
            found = [drawing.find(f"{svg}{tag}") for tag in ("title", "desc")]
            assert [part.get("id") for part in found] == parts
            assert all(part.text for part in found)

    def test_hostile_names_are_text(self, tmp_path):
        """Text of cards and tables is shown, never run."""
        hostile = "<script>alert('x')</script>\" onload=\""
        text = without_gains(
            tmp_path,
            encoder_changes={"title": hostile, "citation": hostile},
            task_changes={"title": hostile, "licence": hostile},
            languages_tsv=LANGUAGES.replace("Swahili", "<script>Swahili</script>"),
        )
        assert len(re.findall("<script", text)) == 1
        assert hostile in words(parsed(text))

    def test_cards_are_cited(self, whole):
        """Licences, citations and hyperparameters of what was run are on the page."""
        text = words(parsed(whole[1]))
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
            (
                "none+steps-mnli",
                "no intermediate training, but as many more steps on the target’s own English "
                "data as mnli trains before it: a control",
            ),
            (
                "mnli~shuffled",
                "fine-tuned on mnli (English), the answers of its examples shuffled: a control",
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
        tree = parsed(without_gains(tmp_path, mlm={"text": "texts"}, seeds=[1], **options))
        assert [condition, words_of_it] in rows_of(tree, "table-conditions")


class TestNumbers:
    def test_a_number_of_the_answer_leads_to_its_row(self, whole):
        """The mean gain over the zero-shot languages, with its interval."""
        _, text = whole
        rows = rows_of(parsed(text), "table-tiny-overview")
        # (1 + 2 + 3 - 4 + 7 - 6) / 6 + 0.25
        assert rows[1][:3] == ["mnli", "xquad", "+0.8"]
        answer = next(e for e in parsed(text).iter("section") if e.get("id") == "answer")
        assert "#overview.tiny.mnli.xquad.non-English" in [e.get("href") for e in answer.iter("a")]

    def test_a_row_has_the_scores_of_every_seed(self, whole):
        """With test items and warnings; each score leads to its file and spec."""
        grid, text = whole
        row = next(e for e in parsed(text).iter("tr") if e.get("id") == "cell.tiny.xquad.mnli.yo")
        assert [words(cell) for cell in row] == [
            *("mnli", "Yoruba (yo)", "class 2", "−3.8", "46.2", "50.0", "46.0 46.5", "50", ""),
        ]
        (place,) = {link.get("href") for link in row.iter("a")}
        source = next(e for e in parsed(text).iter("tr") if e.get("id") == place[1:])
        assert "scores/tiny/mnli/seed<k>/xquad.jsonl" in words(source)
        assert all(spec in words(source) for spec in _specs(grid, "mnli"))

    def test_gains_are_written_for_programs(self, whole):
        """At full precision, a row for each condition and language."""
        grid, _ = whole
        gains = pd.read_csv(grid.paths.report.with_name("gains.csv"))
        row = gains.set_index("language").loc["yo"]
        assert (row.gain, row.score, row.baseline, row.seeds) == (-3.75, 46.25, 50.0, 2)

    def test_a_large_grid_keeps_its_rows_as_json(self, tmp_path, monkeypatch):
        """The page's script builds them; the page says where they are without it."""
        monkeypatch.setattr(cells, "LISTED_ROWS", 1)
        text = without_gains(tmp_path)
        (source,) = re.findall(r'id="cells-data">(.*?)</script>', text, flags=re.DOTALL)
        block = json.loads(source)["blocks"]["cells.tiny.xquad"]
        assert block["conditions"]["none"]["scores"] == [[50.0, 50.0]] * 7
        assert "Without a script, read gains.csv" in words(parsed(text))


class TestLimits:
    def test_single_seed(self, tmp_path):
        """With one seed the page says that it cannot answer, and gives no verdict."""
        tree = parsed(rendered(*study_in(tmp_path, seeds=[1])))
        answer = words(next(e for e in tree.iter("section") if e.get("id") == "answer"))
        assert "This study cannot answer the question. Each condition was trained once" in answer
        assert "Not a result: what the 95 % interval would be" in answer
        assert "No verdict follows from these numbers." in answer
        verdicts = {row[7] for row in rows_of(tree, "table-tiny-overview")[1:]}
        assert verdicts == {"inconclusive"}

    def test_a_condition_without_an_interval_is_named_with_the_reason(self, tmp_path):
        """One of two conditions has one training yet, so that nothing can be said of it."""
        grid, rows = study_in(tmp_path, conditions=["none", "mnli", "squad"])
        tree = parsed(rendered(grid, rows[(rows["condition"] != "squad") | (rows["seed"] == 1)]))
        answer = words(next(e for e in tree.iter("section") if e.get("id") == "answer"))
        clause = answer.partition("no verdict on squad ")[2].partition(";")[0]
        assert "(one training of the condition: its luck cannot be told from an effect)" in clause
        assert "inconclusive: squad" not in answer

    def test_only_none(self, tmp_path):
        """Without an intermediate task there are no gains, and the page says so."""
        text = words(parsed(without_gains(tmp_path, conditions=["none"])))
        assert "There are no gains to report." in text
        assert "All 14 scores" in text or "all 14 scores" in text

    def test_a_half_finished_study_says_what_is_missing(self, tmp_path):
        """The condition has no score yet; its evaluations are listed."""
        grid, rows = study_in(tmp_path)
        lacking = tuple(
            table.MissingScores(key, tuple(grid.resolved.languages[key.target]), stale=0)
            for key in grid.reads.evaluations()
            if key.condition == "mnli"
        )
        tree = parsed(rendered(grid, rows[rows["condition"] == "none"], lacking))
        text = words(tree)
        assert "Half-finished. 14 of 28 scores are there" in text
        assert "tiny, mnli, seed 2, xquad: 7 languages" in text
        assert "No gain can be computed yet." in text
        assert ["tiny", "mnli", "1, 2", "14", "0", "14", "0"] in rows_of(tree, "table-coverage")

    def test_a_task_that_is_trained_on_twice_is_reported(self, tmp_path):
        """SQuAD before a target that is fine-tuned on SQuAD is more of the same."""
        study = {"conditions": ["none", "mnli", "squad"], "targets": ["xquad", "tydiqa"]}
        text = words(parsed(without_gains(tmp_path / "a", **study)))
        assert "Same task twice." not in text
        changes = {"task_changes": {"recipe": "squad"}}
        text = words(parsed(without_gains(tmp_path / "b", **study, **changes)))
        assert "is fine-tuned as well: squad before xquad, tydiqa. Their gains" in text

    def test_a_baseline_that_is_trained_on_another_task_is_reported(self, tmp_path):
        """XCOPA is evaluated after Social IQa and COPA: its baseline is intermediate-trained."""
        study = {"conditions": ["none", "siqa"], "targets": ["copa"]}
        text = words(parsed(without_gains(tmp_path / "a", **study)))
        assert "Baselines with intermediate training" not in text
        only = {"copa": {"follows": "siqa"}}
        text = words(parsed(without_gains(tmp_path / "b", **study, changes_by_task=only)))
        assert "also in condition none: copa after siqa." in text
        assert "is fine-tuned as well: siqa before copa." in text

    def test_languages_with_training_data_are_reported(self, tmp_path):
        """Transfer to Swahili is not zero-shot after training in Swahili."""
        study = {"conditions": ["none", "mnli@sw+yo"]}
        text = words(parsed(without_gains(tmp_path, **study)))
        assert "means of zero-shot languages include them: mnli@sw+yo in sw, yo." in text

    def test_a_task_without_english_is_not_called_english(self, tmp_path):
        """It is trained on in its own language."""
        only = {"mnli": {"languages": ["sw", "yo"]}}
        text = words(parsed(without_gains(tmp_path, changes_by_task=only)))
        assert "fine-tuned on mnli (sw)" in text
        assert "include them: mnli in sw." in text

    def test_sampled_candidates_are_reported(self, tmp_path):
        """Retrieval among some of the candidates is easier than the benchmark."""
        study = {"targets": ["tatoeba", "xquad"], "evaluation": {"max_examples": 50}}
        text = words(parsed(without_gains(tmp_path / "a", **study)))
        assert "The study scores at most 50 items of a language." in text
        assert "candidates of the search" not in text
        retrieval = {"task_type": "retrieval", "scorer": "nearest", "primary": "accuracy"}
        only = {"tatoeba": retrieval}
        text = words(parsed(without_gains(tmp_path / "b", **study, changes_by_task=only)))
        assert (
            "In tatoeba, the candidates of the search are only the right ones of these items"
            in text
        )

    def test_embedded(self, tmp_path):
        """Results on the embedded benchmark are called a demonstration before anything else."""
        text = words(parsed(without_gains(tmp_path / "a", embedded=True)).find("body"))
        assert 0 < text.index("Demonstration only.") < text.index("Skip") + text.index("No gain")
        assert "Demonstration" not in without_gains(tmp_path / "b")

    def test_unknown_class_is_named(self, tmp_path):
        """Languages without a known class are listed by name."""
        text = words(parsed(without_gains(tmp_path)))
        assert "is in no resource group: Unknownish." in text

    def test_warnings(self, tmp_path):
        """A score with a warning is listed, and its row shows the warning."""

        def warn(grid):
            edit(score_file(grid, "none", 2), "yo", warnings=["majority_class"])

        tree = parsed(without_gains(tmp_path, warn))
        assert "1 score has a warning" in words(tree)
        listed = ["tiny", "none", "2", "xquad", "yo", "50.0", "50", "majority_class"]
        assert listed in rows_of(tree, "table-warnings")
        row = next(e for e in tree.iter("tr") if e.get("id") == "cell.tiny.xquad.none.yo")
        assert words(list(row)[-1]) == "majority_class"

    def test_scores_kept_from_another_version_are_named(self, tmp_path):
        """By the snapshot of the version; without such scores nothing is said."""
        grid, rows = study_in(tmp_path)
        rows = rows[rows["condition"] == "none"].copy()
        assert "Other versions of the code" not in rendered(grid, rows)
        rows.iloc[:3, rows.columns.get_loc("other_version")] = "0a1b2c3d4e5f"
        said = html.unescape(rendered(grid, rows))
        assert "3 scores of snapshot <code>0a1b2c3d4e5f</code>" in said

    def test_rows_that_readers_left_out_are_listed(self, tmp_path, monkeypatch):
        """By task and language, with the reason; without stamps the page says that."""
        monkeypatch.chdir(tmp_path)
        grid, rows = study_in(tmp_path)
        rows = rows[rows["condition"] == "none"]
        assert "it is not known what readers left out" in words(parsed(rendered(grid, rows)))
        for task, split, languages in grid.reads.needed_examples():
            for language in languages:
                path = grid.examples_stamp(ExamplesKey(task, split, language))
                path.parent.mkdir(parents=True, exist_ok=True)
                found = {"remarks": {"question left out": 3}} if language == "sw" else {}
                spec = grid.examples(task, split).digest
                write_stamp(path, spec=spec, inputs={}, files=[], outcomes=found)
        tree = parsed(rendered(grid, rows))
        assert ["xquad", "test", "sw", "3", "question left out"] in rows_of(
            tree, "table-data-left_out"
        )

    def test_declared_pairs_and_large_files_are_named(self, tmp_path):
        """What people decided about the data stands on the page."""
        file = {"path": "x.json", "url": "https://example.org/x", "max_bytes": 2**40}
        split = {"reader": "squad_json", "files": {"data": file}}
        changes = {"xquad": {"splits": {"train": split, "test": split}}}
        study = {"changes_by_task": changes, "known_apart": {"mnli": ["xquad"]}}
        text = words(parsed(without_gains(tmp_path, **study)))
        assert "that they only look the same: mnli and xquad." in text
        assert "x.json of xquad, up to 1,099,511,627,776 bytes." in text

    def test_no_warnings(self, tmp_path):
        """Without warnings the page says so."""
        assert "No score has a warning." in without_gains(tmp_path)

    def test_an_undefined_score_is_listed(self, tmp_path):
        """It is in no mean, and a dash in its row."""

        def undefine(grid):
            edit(score_file(grid, "none", 1), "qu", metrics={"em_f1": None})

        tree = parsed(without_gains(tmp_path, undefine, seeds=[1]))
        assert "1 score is undefined" in words(tree)
        row = next(e for e in tree.iter("tr") if e.get("id") == "cell.tiny.xquad.none.qu")
        assert words(list(row)[6]) == "–"

    def test_standard_error_on_the_page(self, tmp_path):
        """50 items at a score of 50: the root of 50 * 50 / 50."""
        limits = rows_of(parsed(without_gains(tmp_path)), "table-limits")[1]
        assert limits[:9] == ["xquad", "em_f1", "3", "2", "1", "50", "7.1", "0.0", "6"]


def _specs(grid, condition):
    return {
        grid.evaluation(key).digest
        for key in grid.reads.evaluations()
        if key.condition == condition
    }
