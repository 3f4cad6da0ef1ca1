"""`frontier bench`: how fast a server answers, measured so that one can trust it."""

import typer

from frontier.cli import bench_compare, bench_report, bench_run, bench_tune

app = typer.Typer(
    help="Benchmarks: measure, compare and report how fast a server answers.",
    no_args_is_help=True,
)
bench_run.register(app)
bench_compare.register(app)
bench_report.register(app)
bench_tune.register(app)
