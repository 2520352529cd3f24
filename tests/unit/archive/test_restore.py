"""Archives are restored and merged: whole or not at all, and what differs is named."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import signal
import zipfile

import pytest

from support.archives import archive_of, contents_of, crafted, small_grid
from support.stored import KEY, RECIPE, evaluate, finish, train
from xstilts.archive import archive_file, restore
from xstilts.archive.restore import import_archives
from xstilts.errors import ArchiveError, UsageError
from xstilts.evaluation import scores
from xstilts.grid.snapshot import latest_snapshot, load_snapshot
from xstilts.provenance.digests import canonical
from xstilts.status.states import States

SCORES = f"results/scores/{KEY}"
STAMP = "stamp.json"


def done(grid):
    """How many scores are done, and how many the grid has."""
    states = States(grid)
    found = [s for key in grid.reads.evaluations() for s in states.scores(key).values()]
    return found.count("done"), len(found)


def bring(grid, *archives, **how):
    """Import archives into the folders of a grid."""
    paths = grid.paths
    return import_archives(archives, paths.results.parent, paths.resources, **how)


@pytest.fixture
def grid(world):
    made = small_grid(world, world.folder / "here")
    finish(made)
    return made


@pytest.fixture
def elsewhere(world):
    """The same study in an empty folder."""
    return small_grid(world, world.folder / "elsewhere")


@pytest.fixture
def archive(grid, tmp_path):
    return archive_of(grid, tmp_path / "a.tar.zst")


class TestRestore:
    def test_every_score_is_done_without_checkpoints_and_data(self, archive, elsewhere):
        """The stamps of their ancestors are enough."""
        imported = bring(elsewhere, archive)
        assert done(elsewhere) == (imported.scores, imported.new) == (16, 16)
        assert {States(elsewhere).training(k) for k in elsewhere.reads.trainings()} == {"missing"}

    def test_the_archive_of_what_was_imported_is_the_same(self, archive, elsewhere, tmp_path):
        """Byte for byte."""
        bring(elsewhere, archive)
        again = archive_of(elsewhere, tmp_path / "b.tar.zst")
        assert again.read_bytes() == archive.read_bytes()

    def test_the_study_and_its_cards_are_kept_beside_the_scores(self, archive, elsewhere):
        """In a folder of the archive."""
        (study,) = bring(elsewhere, archive).studies
        assert study.parent == elsewhere.paths.results / "imported"
        assert {"study.yaml", "cards", "workflow"} <= {path.name for path in study.iterdir()}

    def test_the_latest_snapshot_names_the_folders_that_were_imported_into(
        self, archive, elsewhere
    ):
        """So `xstilts gc` and an audit find them."""
        bring(elsewhere, archive)
        again = load_snapshot(latest_snapshot(elsewhere.paths.results))
        assert again.paths.scores(KEY) == elsewhere.paths.scores(KEY)
        assert again.table.digest == elsewhere.table.digest

    def test_importing_twice_changes_nothing(self, archive, elsewhere, world):
        """No score is new."""
        bring(elsewhere, archive)
        before = contents_of(world.folder / "elsewhere")
        assert bring(elsewhere, archive).new == 0
        assert contents_of(world.folder / "elsewhere") == before

    def test_nothing_is_left_of_the_import_itself(self, archive, elsewhere):
        """Neither its lock nor what it unpacked."""
        bring(elsewhere, archive)
        assert [path.name for path in elsewhere.paths.results.parent.iterdir()] == ["small"]

    def test_it_waits_for_no_job_but_refuses(self, archive, grid):
        """A job would write into a folder that is replaced."""
        lock = grid.paths.scores(KEY).with_name(".xqa.lock.json")
        lock.write_text("{}")
        with pytest.raises(UsageError, match="a job is working on these results"):
            bring(grid, archive)


class TestVersions:
    """The archive was made before the environment or the code was changed."""

    def test_its_scores_are_stale_here_unless_the_study_keeps_them(self, archive, world, elsewhere):
        """Kept scores are packed again, and are as they were."""
        bring(elsewhere, archive)
        (world.folder / "lock.txt").write_text("torch==2.14.0\n")
        assert done(small_grid(world, world.folder / "elsewhere")) == (0, 16)
        kept = small_grid(world, world.folder / "elsewhere", other_versions="keep")
        assert done(kept) == (16, 16)

    def test_an_archive_of_kept_scores_holds_their_version(
        self, archive, world, elsewhere, tmp_path
    ):
        """So they can be kept on a third machine."""
        bring(elsewhere, archive)
        (world.folder / "lock.txt").write_text("torch==2.14.0\n")
        kept = small_grid(world, world.folder / "elsewhere", other_versions="keep")
        again = archive_of(kept, tmp_path / "again.tar.zst")
        third = small_grid(world, world.folder / "third", other_versions="keep")
        bring(third, again)
        assert done(third) == (16, 16)


class TestMerge:
    @pytest.fixture
    def parts(self, world, tmp_path):
        """An archive for each seed, from two machines."""
        made = []
        for seed in (1, 2):
            part = small_grid(world, world.folder / f"seed{seed}", seeds=[seed])
            finish(part)
            made.append(archive_of(part, tmp_path / f"seed{seed}.tar.zst"))
        return made

    def test_parts_of_a_study_add_up(self, parts, elsewhere):
        """At once."""
        assert bring(elsewhere, *parts).new == 16
        assert done(elsewhere) == (16, 16)

    def test_parts_are_added_to_what_is_here(self, parts, elsewhere, grid, archive, tmp_path):
        """One after the other, in any order; the archive of the whole is that of one machine."""
        for part in reversed(parts):
            assert bring(elsewhere, part).new == 8
        assert done(elsewhere) == (16, 16)
        merged = archive_of(elsewhere, tmp_path / "merged.tar.zst")
        assert merged.read_bytes() == archive.read_bytes()

    def test_languages_of_one_evaluation_add_up(self, world, tmp_path, grid, elsewhere):
        """The score file is that of one machine, byte for byte."""
        archives = []
        for codes in (["en", "de"], ["sw", "no"]):
            part = small_grid(world, world.folder / codes[0], languages=codes, seeds=[1])
            finish(part)
            archives.append(archive_of(part, tmp_path / f"{codes[0]}.tar.zst"))
        bring(elsewhere, *archives)
        path = elsewhere.paths.scores(KEY)
        assert path.read_bytes() == grid.paths.scores(KEY).read_bytes()
        assert len(scores.verified_languages(path, scores.read(path).values())) == 4

    @pytest.fixture
    def other(self, world, tmp_path):
        """An archive in which one score differs, and so does the stamp of a checkpoint."""
        made = small_grid(world, world.folder / "other")
        finish(made)
        train(made, RECIPE, salt="another machine")
        evaluate(made, KEY)
        return archive_of(made, tmp_path / "other.tar.zst")

    def test_conflicts_are_named_and_nothing_is_imported(self, archive, other, elsewhere):
        """File by file, and language by language."""
        with pytest.raises(ArchiveError) as error:
            bring(elsewhere, archive, other)
        *lines, last = str(error.value).splitlines()
        folder = elsewhere.training(RECIPE).folder.relative_to(elsewhere.paths.resources)
        differs = f"differs in {archive} and {other}"
        assert lines == [
            f"resources/{folder}/{STAMP}: {differs}",
            *(f"{SCORES}.jsonl: {code}: {differs}" for code in ("de", "en", "no", "sw")),
        ]
        assert last == (
            "nothing was imported; --prefer ARCHIVE (or --prefer here) says which one to believe"
        )
        assert not elsewhere.paths.results.exists()
        assert not elsewhere.paths.resources.exists()

    def test_the_preferred_archive_wins(self, archive, other, elsewhere):
        """All scores are done, whichever wins."""
        bring(elsewhere, archive, other, prefer=str(other))
        with zipfile.ZipFile(scores.archive(elsewhere.paths.scores(KEY))) as whole:
            assert len(whole.namelist()) == 4
        assert done(elsewhere) == (16, 16)
        archive_file.unpack(other, elsewhere.paths.results.parent / "unpacked")
        preferred = elsewhere.paths.results.parent / "unpacked" / f"{SCORES}.jsonl"
        assert elsewhere.paths.scores(KEY).read_bytes() == preferred.read_bytes()

    def test_what_is_here_can_be_preferred(self, archive, other, elsewhere, world):
        """Then nothing of it changes."""
        bring(elsewhere, archive)
        before = contents_of(elsewhere.paths.results / "scores")
        bring(elsewhere, other, prefer="here")
        assert contents_of(elsewhere.paths.results / "scores") == before

    def test_a_stamp_beside_its_checkpoint_is_never_replaced(self, grid, other):
        """It describes the weights that are here."""
        with pytest.raises(ArchiveError, match="describes files that are here; remove"):
            bring(grid, other, prefer=str(other))

    def test_a_stranger_cannot_be_preferred(self, archive, elsewhere):
        """Only what is imported."""
        with pytest.raises(UsageError, match=r"--prefer b\.tar\.zst: must be one of here, "):
            bring(elsewhere, archive, prefer="b.tar.zst")

    def test_archives_of_two_studies_are_refused(self, world, archive, tmp_path, elsewhere):
        """They have nothing to merge."""
        second = small_grid(world, world.folder / "second", study="second")
        finish(second)
        with pytest.raises(UsageError, match="of the studies second, small; import one at a time"):
            bring(elsewhere, archive, archive_of(second, tmp_path / "b.tar.zst"))

    def test_a_table_of_a_part_is_not_taken_for_the_table(self, world, parts, tmp_path, elsewhere):
        """Parts have different tables, so there is none until the next run."""
        for number, part in enumerate(parts):
            work = tmp_path / str(number)
            archive_file.unpack(part, work)
            manifest = archive_file.read_manifest(part)
            members = {m.path: (work / m.path).read_bytes() for m in manifest.members}
            members["results/grid.parquet"] = b"table %d" % number
            archive_file.write(part, "small", manifest.snapshot, members)
        bring(elsewhere, *parts)
        assert not elsewhere.paths.table.exists()


class TestKills:
    PLACES = ("unpack", "_write_results", "_keep_study", "_copy", "sync")

    @pytest.mark.parametrize("place", PLACES)
    def test_a_killed_import_leaves_the_old_results(self, place, world, tmp_path):
        """And the next one does the whole work."""
        here = small_grid(world, world.folder / "here", seeds=[1])
        finish(here)
        both = small_grid(world, world.folder / "both")
        finish(both)
        archive = archive_of(both, tmp_path / "a.tar.zst")
        before = contents_of(here.paths.results)
        child = multiprocessing.get_context("fork").Process(
            target=import_and_die, args=(here, archive, place)
        )
        child.start()
        child.join()
        assert child.exitcode == -signal.SIGKILL
        assert contents_of(here.paths.results) == before
        assert done(here) == (8, 8)
        assert bring(here, archive).new == 8
        assert [path.name for path in here.paths.results.parent.iterdir()] == ["small"]

    def test_results_that_a_kill_left_aside_are_put_back(self, grid, archive):
        """Where the system cannot exchange two folders, there is a moment between two renames."""
        results = grid.paths.results
        results.rename(results.with_name(".small.before-import"))
        assert bring(grid, archive).new == 0
        assert done(grid) == (16, 16)


def import_and_die(grid, archive, place):
    """Import an archive; be killed when a function of the import has done its work."""
    owners = {"unpack": archive_file, "sync": os}
    owner, name = owners.get(place, restore), place
    function = getattr(owner, name)

    def die(*args, **how):
        function(*args, **how)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(owner, name, die)
    bring(grid, archive)


class TestCrafted:
    """An archive whose manifest is right, made to mislead a later run."""

    def refused(self, grid, elsewhere, tmp_path, change):
        archive = crafted(grid, tmp_path / "crafted.tar.zst", change)
        with pytest.raises(ArchiveError) as error:
            bring(elsewhere, archive)
        assert str(error.value).startswith(f"{archive}: ")
        assert not elsewhere.paths.results.exists()
        assert not elsewhere.paths.resources.exists()
        return str(error.value)

    def test_a_crafted_archive_without_a_change_is_imported(self, grid, elsewhere, tmp_path):
        """So the other tests fail for their change."""
        bring(elsewhere, crafted(grid, tmp_path / "a", lambda members: None))
        assert done(elsewhere) == (16, 16)

    def test_altered_predictions(self, grid, elsewhere, tmp_path):
        """One byte."""

        def change(members):
            old = members[f"{SCORES}.zip"]
            members[f"{SCORES}.zip"] = old.replace(b"en.parquet", b"en.parquex")

        assert "predictions" in self.refused(grid, elsewhere, tmp_path, change)

    def test_predictions_that_unpack_to_more_than_they_are(self, grid, elsewhere, tmp_path):
        """A compressed member of the inner archive."""

        def change(members):
            path = tmp_path / "bomb.zip"
            with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as bomb:
                for language in ("de", "en", "no", "sw"):
                    bomb.writestr(f"{language}.parquet", bytes(10**6))
            members[f"{SCORES}.zip"] = path.read_bytes()

        said = self.refused(grid, elsewhere, tmp_path, change)
        assert "does not hold one for each score" in said

    def test_a_line_that_is_no_score(self, grid, elsewhere, tmp_path):
        """Behind the scores."""

        def change(members):
            members[f"{SCORES}.jsonl"] += b"[" * 100_000 + b"\n"

        assert "holds a line that is no score" in self.refused(grid, elsewhere, tmp_path, change)

    def test_a_line_that_gives_a_key_twice(self, grid, elsewhere, tmp_path):
        """With a digest that fits its bytes."""

        def change(members):
            first, *others = members[f"{SCORES}.jsonl"].splitlines(keepends=True)
            score = json.loads(first)
            del score["digest"]
            content = canonical(score).replace('"n":', '"n":9,"n":', 1).encode()
            before, after = content.split(b'"encoder"', 1)
            digest = hashlib.sha256(content).hexdigest().encode()
            forged = before + b'"digest":"' + digest + b'","encoder"' + after + b"\n"
            members[f"{SCORES}.jsonl"] = forged + b"".join(others)

        assert "the key 'n' is given twice" in self.refused(grid, elsewhere, tmp_path, change)

    def test_a_score_in_the_file_of_another(self, grid, elsewhere, tmp_path):
        """Of another seed."""

        def change(members):
            other = SCORES.replace("seed1", "seed2")
            members[f"{SCORES}.jsonl"] = members[f"{other}.jsonl"]
            members[f"{SCORES}.zip"] = members[f"{other}.zip"]

        said = self.refused(grid, elsewhere, tmp_path, change)
        assert "de: is a score of tiny/nli/seed2/xqa" in said

    def test_predictions_without_scores(self, grid, elsewhere, tmp_path):
        """And scores without predictions."""
        said = self.refused(grid, elsewhere, tmp_path, lambda m: m.pop(f"{SCORES}.jsonl"))
        assert "belongs to no score file" in said
        said = self.refused(grid, elsewhere, tmp_path, lambda m: m.pop(f"{SCORES}.zip"))
        assert "has no archive of predictions beside it" in said

    def test_a_snapshot_that_was_edited(self, grid, elsewhere, tmp_path):
        """Its name is the digest of its content."""

        def change(members):
            (name,) = (n for n in members if n.startswith("results/snapshots/"))
            members[name] = members[name].replace(b"xqa", b"xqb")

        assert "not the digest of its content" in self.refused(grid, elsewhere, tmp_path, change)

    @pytest.mark.parametrize(
        ("edit", "problem"),
        [
            ({"spec": "f" * 64}, "is the stamp of another artefact"),
            ({"spec": ""}, "is not a stamp: its spec is ''"),
            ({"spec": None}, "is not a stamp: its spec is None"),
            ({"files": []}, "it lacks files or inputs"),
            ({"inputs": None}, "it lacks files or inputs"),
            ({"files": {"../../../dev/zero": {"bytes": 1}}}, "which lies elsewhere"),
            ({"files": {"/etc/passwd": {"bytes": 1}}}, "which lies elsewhere"),
            ({"files": {"..": {"bytes": 1}}}, "which lies elsewhere"),
            ({"files": {"a/../../b": {"bytes": 1}}}, "which lies elsewhere"),
            ({"files": {"weights.safetensors": 1}}, "it does not describe weights.safetensors"),
        ],
    )
    def test_a_stamp_that_would_mislead(self, edit, problem, grid, elsewhere, tmp_path):
        """Of another artefact, or about files that lie elsewhere."""
        stamp = grid.training(RECIPE).stamp.relative_to(grid.paths.resources)

        def change(members):
            content = json.loads(members[f"resources/{stamp}"])
            members[f"resources/{stamp}"] = canonical(content | edit).encode()

        assert problem in self.refused(grid, elsewhere, tmp_path, change)

    @pytest.mark.parametrize("content", [b"", b"[]", b"{", b"[" * 10**6, b'{"a": NaN}', b"\xff"])
    def test_a_stamp_that_is_no_json_object(self, content, grid, elsewhere, tmp_path):
        """Damaged, or nested too deeply."""
        stamp = grid.encoder("tiny").stamp.relative_to(grid.paths.resources)

        def change(members):
            members[f"resources/{stamp}"] = content

        said = self.refused(grid, elsewhere, tmp_path, change)
        assert "cannot be read as JSON" in said or "must be a JSON object" in said
