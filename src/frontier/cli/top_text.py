"""`frontier top --once` as text, and the words that the screen has in common with it."""

from frontier.cli.output import table
from frontier.cli.top_columns import TABLES
from frontier.cli.top_words import amount, duration, percent, rate
from frontier.domain.top import GpuView, MachineView, Spread, TopView, Traffic


def as_text(view: TopView) -> str:
    """Return all of *view*, every table with every column."""
    lines = [head(view), *_numbers(view.traffic), *_machine(view.machine)]
    for each in TABLES:
        rows = each.rows(view)
        titles = tuple(column.title for column in each.columns)
        cells = [tuple(column.cell(row) for column in each.columns) for row in rows]
        lines += ["", table(titles, cells) if cells else f"{each.title}: {each.empty}"]
    return "\n".join(lines)


def head(view: TopView) -> str:
    """Return in one line what runs and where, and what is wrong with it."""
    states = {
        "stopped": "nothing runs (start it: frontier start)",
        "died": "the daemon was killed (start it again: frontier start)",
    }
    shown = states.get(view.state) or f"{view.stack}: {view.state} at {view.url}"
    if view.problem:
        since = f", no numbers for {duration(view.silent_s)}" if view.silent_s else ""
        shown += f"; {view.problem}{since}"
    return shown


def _numbers(traffic: Traffic) -> list[str]:
    """Return the lines of the traffic as a whole."""
    return [
        f"requests/s    {rate(traffic.requests_per_s)}, failed {rate(traffic.failed_per_s)}",
        f"tokens/s out  {rate(traffic.tokens_out_per_s)}, in {rate(traffic.tokens_in_per_s)}",
        f"first token   {_spread(traffic.first_token)}",
        f"per token     {_spread(traffic.per_token)}",
        f"in flight     {traffic.in_flight}, queued {traffic.queued}, held {traffic.held}",
    ]


def _spread(spread: Spread) -> str:
    return f"p50 {duration(spread.p50_s)}, p95 {duration(spread.p95_s)}"


def _machine(view: MachineView | None) -> list[str]:
    """Return the lines of the machine."""
    if view is None:
        return []
    memory = f"{amount(view.memory_used_bytes)} of {amount(view.memory_total_bytes)}"
    lines = [f"processors    {percent(view.cpu_percent)} of {view.cpus}", f"memory        {memory}"]
    lines += [f"GPU           {_gpu(gpu)}" for gpu in view.gpus]
    return [*lines, f"GPU           {view.problem}"] if view.problem else lines


def _gpu(gpu: GpuView) -> str:
    return ", ".join((gpu.name, percent(gpu.used_percent), *gpu_parts(gpu)))


def gpu_parts(gpu: GpuView) -> list[str]:
    """Return what its driver tells of memory, heat and power."""
    parts = list[str]()
    if gpu.memory_used_bytes is not None:
        total = f" of {amount(gpu.memory_total_bytes)}" if gpu.memory_total_bytes else ""
        parts.append(f"{amount(gpu.memory_used_bytes)}{total}")
    if gpu.temperature_c is not None:
        parts.append(f"{gpu.temperature_c:.0f} °C")
    if gpu.power_w is not None:
        parts.append(f"{gpu.power_w:.0f} W")
    return parts
