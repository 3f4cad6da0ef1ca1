"""What `frontier bench tune` says about what it found; tests/e2e/test_bench_tune.py runs it."""

from pathlib import Path

from frontier.cli.bench_tune import Outcome
from frontier.cli.output import text
from frontier.domain.statistics import estimate
from frontier.domain.tuning import Trial

START, WINNER = {"BATCH_SIZE": "512"}, {"BATCH_SIZE": "1024"}


def told(*trials: Trial) -> str:
    return text(
        Outcome(
            model="smollm2:135m",
            goal="latency",
            concurrency=1,
            changes={},
            before={},
            applied=False,
            trials=trials,
            proof=None,
            skipped=(),
            evidence=Path("tune.json"),
        )
    )


def good(settings: dict[str, str], *, is_proof: bool = False) -> Trial:
    return Trial(settings=settings, estimate=estimate(1.0, [0.9, 1.1]), is_proof=is_proof)


def test_a_winner_that_crashed_in_its_proof_is_told_as_the_reason() -> None:
    lost = Trial(settings=WINNER, lost="killed", is_proof=True)

    found = told(good(START), good(WINNER), good(START, is_proof=True), lost)

    assert "failed when it was tried again: nothing was changed" in found


def test_a_setting_that_was_lost_in_the_search_is_no_winner_that_failed() -> None:
    found = told(good(START), Trial(settings=WINNER, lost="killed"))

    assert "BATCH_SIZE=1024  lost: killed" in found
    assert "nothing was better beyond doubt" in found
