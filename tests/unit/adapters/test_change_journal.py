import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fakes import project
from frontier.adapters.change_journal import ChangeJournal, digest
from frontier.adapters.project_file import ProjectFile
from frontier.domain.errors import RuntimeFailedError

GONE = 2**22 + 1  # above every pid_max


@pytest.fixture
def file(tmp_path: Path) -> ProjectFile:
    file = ProjectFile(tmp_path / "project.json")
    file.save(project("old"))
    return file


@pytest.fixture
def journal(tmp_path: Path, file: ProjectFile) -> ChangeJournal:
    return ChangeJournal(tmp_path / "changing", file)


def die(path: Path) -> None:
    """Make the note that of a process which is gone."""
    note = json.loads(path.read_text())
    path.write_text(json.dumps({**note, "pid": GONE}))


def begin(journal: ChangeJournal, path: Path, command: str = "stack select mistral") -> None:
    """Leave the note of a command that was killed."""
    with pytest.raises(KeyboardInterrupt), journal.during(command, project("new")):
        raise KeyboardInterrupt
    die(path)


def test_a_change_that_ends_leaves_nothing(journal: ChangeJournal, tmp_path: Path) -> None:
    with journal.during("start", project("old")):
        assert (tmp_path / "changing").exists()

    assert journal.interrupted() is None
    assert not (tmp_path / "changing").exists()


def test_a_living_command_is_not_interrupted(journal: ChangeJournal) -> None:
    with journal.during("start"):
        assert journal.interrupted() is None


def test_a_failure_that_was_handled_leaves_nothing(journal: ChangeJournal, tmp_path: Path) -> None:
    with pytest.raises(RuntimeFailedError), journal.during("start"):
        raise RuntimeFailedError("the engine died; what ran before runs again")

    assert not (tmp_path / "changing").exists()


def test_before_the_project_is_replaced_the_old_one_counts(
    journal: ChangeJournal, tmp_path: Path
) -> None:
    begin(journal, tmp_path / "changing")

    found = journal.interrupted()

    assert found is not None
    assert (found.command, found.declared, found.stage) == ("stack select mistral", "old", "begun")
    assert str(found) == (
        "`frontier stack select mistral` was interrupted; declared is llamacpp; "
        "bring it back with: frontier start"
    )


def test_after_the_project_is_replaced_the_new_one_counts(
    journal: ChangeJournal, file: ProjectFile, tmp_path: Path
) -> None:
    begin(journal, tmp_path / "changing")
    file.save(project("new").with_generations({"gateway": 4}))

    found = journal.interrupted()

    assert found is not None
    assert found.declared == "new"


def test_a_selection_is_completed_once_and_still_told(
    journal: ChangeJournal, tmp_path: Path
) -> None:
    begin(journal, tmp_path / "changing")

    before = journal.interrupted()
    journal.complete()
    after = journal.interrupted()

    assert before
    assert after
    assert (before.is_completed, after.is_completed) == (False, True)
    assert str(after) == str(before)


def test_where_nothing_is_declared_stop_is_the_way_out(
    journal: ChangeJournal, file: ProjectFile, tmp_path: Path
) -> None:
    begin(journal, tmp_path / "changing", "up")
    file.clear()

    assert str(journal.interrupted()).endswith("clear up with: frontier stop")


def test_a_damaged_project_is_neither(
    journal: ChangeJournal, file: ProjectFile, tmp_path: Path
) -> None:
    begin(journal, tmp_path / "changing")
    (tmp_path / "project.json").write_text("{")

    found = journal.interrupted()

    assert found is not None
    assert found.stack == ""


def test_a_process_that_got_the_same_id_later_is_another_one(
    journal: ChangeJournal, tmp_path: Path
) -> None:
    begin(journal, tmp_path / "changing")
    note = json.loads((tmp_path / "changing").read_text())
    (tmp_path / "changing").write_text(json.dumps({**note, "pid": os.getpid(), "started": 12.5}))

    assert journal.interrupted() is not None


@pytest.mark.parametrize("text", ["", "[]", '{"pid": "x"}'])
def test_a_note_that_cannot_be_read_is_an_interrupted_change(
    journal: ChangeJournal, tmp_path: Path, text: str
) -> None:
    (tmp_path / "changing").write_text(text)

    assert journal.interrupted() is not None
    journal.clear()
    assert journal.interrupted() is None


def test_a_start_that_changes_no_project_is_new_from_the_beginning(
    journal: ChangeJournal, tmp_path: Path
) -> None:
    with pytest.raises(KeyboardInterrupt), journal.during("start", project("old")):
        raise KeyboardInterrupt
    die(tmp_path / "changing")

    found = journal.interrupted()

    assert found is not None
    assert found.declared == "new"


def test_the_digest_of_no_project_is_empty() -> None:
    assert digest(None) == ""
    assert len(digest(project())) == 64


def test_a_command_that_was_killed_for_real_is_found(tmp_path: Path, file: ProjectFile) -> None:
    script = (
        "import os, signal, sys; from pathlib import Path\n"
        "from frontier.adapters.change_journal import ChangeJournal\n"
        "from frontier.adapters.project_file import ProjectFile\n"
        "folder = Path(sys.argv[1])\n"
        "journal = ChangeJournal(folder / 'changing', ProjectFile(folder / 'project.json'))\n"
        "with journal.during('up') as stage:\n"
        "    stage('starting llamacpp')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, tmp_path], check=False)

    found = ChangeJournal(tmp_path / "changing", file).interrupted()

    assert done.returncode == -9
    assert found is not None
    assert found.stage == "starting llamacpp"
    assert found.began.endswith("+00:00")
