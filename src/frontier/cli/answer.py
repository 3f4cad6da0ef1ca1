"""What an answer took, in one line: for `frontier chat` and for the proof of `frontier up`."""

from frontier.cli.output import text
from frontier.domain.chat import Answer


@text.register
def measured(result: Answer) -> str:
    """Return tokens, time to the first one, and rate."""
    cut = ", cut: no more tokens fit or were asked for" if result.is_cut else ""
    return (
        f"[{result.completion_tokens} tokens, first after {result.time_to_first_token_s:.2f} s, "
        f"{result.rate_tokens_per_s:.1f} tokens/s{cut}]"
    )
