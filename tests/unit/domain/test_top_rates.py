"""What two answers of a gateway tell together."""

import pytest

from frontier.domain.top import Spread
from frontier.domain.top_rates import Rates
from top_views import MODEL, exposition, gateway

BEFORE = gateway(exposition(codes={"200": 10, "500": 1}, tokens=(100, 50)), at_s=100.0)


def test_rates_are_growth_by_the_seconds_between() -> None:
    now = exposition(codes={"200": 30, "500": 5, "499": 4}, tokens=(300, 150))

    rates = Rates(BEFORE, gateway(now, at_s=110.0))

    assert rates.window_s == 10
    assert rates.traffic.requests_per_s == pytest.approx(2.8)
    assert rates.traffic.failed_per_s == pytest.approx(0.4), "who left has not failed"
    assert rates.traffic.tokens_in_per_s == 20
    assert rates.traffic.tokens_out_per_s == 10
    assert rates.traffic.in_flight == 2


def test_tokens_that_come_out_are_counted_before_their_answer_ends() -> None:
    now = exposition(codes={"200": 10, "500": 1}, tokens=(100, 50), pieces=120)

    rates = Rates(BEFORE, gateway(now, at_s=110.0))

    assert rates.traffic.tokens_out_per_s == 7
    assert rates.models()[0].traffic.tokens_out_per_s == 7


def test_of_an_older_gateway_they_are_counted_when_it_ends() -> None:
    before, now = (
        exposition(tokens=(0, count)).replace("frontier_answer_pieces_total", "unknown")
        for count in (50, 150)
    )

    rates = Rates(gateway(before, at_s=100.0), gateway(now, at_s=110.0))

    assert rates.traffic.tokens_out_per_s == 10
    assert rates.models()[0].traffic.tokens_out_per_s == 10


def test_a_restarted_gateway_gives_no_negative_rates() -> None:
    now = gateway(exposition(codes={"200": 2}, tokens=(20, 8)), at_s=102.0)

    traffic = Rates(BEFORE, now).traffic

    assert (traffic.requests_per_s, traffic.tokens_in_per_s) == (1, 10)
    assert traffic.failed_per_s == 0


def test_one_answer_alone_gives_no_rates() -> None:
    rates = Rates(None, BEFORE)

    assert rates.window_s is None
    assert rates.traffic.requests_per_s is None
    assert rates.traffic.first_token == Spread()
    assert rates.models()[0].requests == 11


def test_quantiles_are_of_what_came_in_between() -> None:
    slow = gateway(exposition(first=(0, 0, 1000, 1000)), at_s=0.0)
    quick = gateway(exposition(first=(100, 100, 1100, 1100)), at_s=10.0)

    rates = Rates(slow, quick)

    assert rates.traffic.first_token.p50_s == pytest.approx(0.025)
    assert rates.models()[0].traffic.first_token.p95_s == pytest.approx(0.0475)


def test_without_streams_in_between_there_are_no_quantiles() -> None:
    same = exposition(first=(5, 6, 7, 8))

    assert Rates(gateway(same), gateway(same, at_s=10)).traffic.first_token == Spread()


def test_the_time_per_token_is_read_where_the_gateway_tells_it() -> None:
    labels = f'gen_ai_operation_name="chat",gen_ai_request_model="{MODEL}"'
    family = "gen_ai_server_time_per_output_token_seconds_bucket"
    more = "\n".join(f'{family}{{{labels},le="{b}"}} N' for b in ("0.01", "0.025", "+Inf"))

    rates = Rates(
        gateway(exposition(more=more.replace("N", "0"))),
        gateway(exposition(more=more.replace("N", "4")), at_s=10),
    )

    assert rates.traffic.per_token.p50_s == pytest.approx(0.005)
    assert rates.models()[0].traffic.per_token.p50_s == pytest.approx(0.005)


def test_a_loaded_model_has_its_memory_and_its_failed_loads() -> None:
    own = f'{{backend="llamacpp",model="{MODEL}"}}'
    more = (
        f"frontier_loaded_model_bytes{own} 1000\nfrontier_loaded_model_vram_bytes{own} 600\n"
        f"frontier_model_load_failures_total{own} 2\n"
    )

    (model,) = Rates(None, gateway(exposition(more=more))).models()

    assert (model.memory_bytes, model.vram_bytes, model.load_failures) == (1000, 600, 2)
    assert (model.context, model.backends) == (4096, ("llamacpp",))


def test_of_an_older_gateway_memory_is_unknown_and_not_zero() -> None:
    (model,) = Rates(None, BEFORE).models()

    assert (model.memory_bytes, model.vram_bytes) == (None, None)


def test_keys_that_used_nothing_are_left_out() -> None:
    used = exposition(key="key_1", tokens=(10, 4)) + exposition(key="key_2", tokens=(0, 0))

    (key,) = Rates(BEFORE, gateway(used, at_s=102.0)).keys()

    assert (key.key, key.tokens_in, key.tokens_out) == ("key_1", 10, 4)
    assert (key.tokens_in_per_s, key.cost_usd) == (5, None)


def test_requests_for_unknown_models_count_in_the_sum_alone() -> None:
    odd = exposition(model="other", codes={"404": 20})

    rates = Rates(gateway(exposition()), gateway(exposition() + odd, at_s=10))

    assert rates.traffic.failed_per_s == 2
    assert [(m.name, m.traffic.failed_per_s) for m in rates.models()] == [(MODEL, 0)]
