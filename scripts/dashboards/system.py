"""The machine, its GPUs, the gateway's process, and which alerts there are."""

from grafana_foundation_sdk.models.dashboard import Dashboard

from dashboards.board import Row, board
from dashboards.panels import BAD_ABOVE_0, UP, Panel, Query, lines, number, rows, states
from dashboards.promql import rate

SLUG = "system"

_GATEWAY = 'job="frontier-gateway"'
_REAL_DISK = 'fstype!~"tmpfs|ramfs|overlay|squashfs"'
_NO_GPU = "no NVIDIA exporter in this stack"


def build() -> Dashboard:
    """Return the dashboard."""
    return board(
        SLUG,
        "System and GPU health",
        "Firing alerts, services, the machine, its GPUs, the gateway's process.",
        (
            Row("Now", _now()),
            Row("Alerts and services", _alerts()),
            Row("Machine", _machine()),
            Row("Gateway", _gateway()),
            Row("NVIDIA GPUs", _gpus(), is_folded=True),
            Row("Prometheus", _prometheus(), is_folded=True),
        ),
    )


def _cpu() -> str:
    return '1 - avg by (instance) (rate(node_cpu_seconds_total{mode="idle"}[$__rate_interval]))'


def _memory() -> str:
    return "1 - node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes"


def _disk() -> str:
    free, size = "node_filesystem_avail_bytes", "node_filesystem_size_bytes"
    return f"1 - {free}{{{_REAL_DISK}}} / ({size}{{{_REAL_DISK}}} > 0)"


def _now() -> tuple[Panel, ...]:
    full = ((None, "green"), (0.8, "orange"), (0.95, "red"))
    return (
        number(
            "Firing alerts",
            "Of all severities; each one's runbook is in its annotations.",
            "short",
            Query('count(ALERTS{alertstate="firing",alertname!="Watchdog"}) or vector(0)'),
            levels=BAD_ABOVE_0,
        ),
        number(
            "Services down",
            "What Prometheus cannot scrape.",
            "short",
            Query('count(up{job=~"frontier-.+"} == 0) or vector(0)'),
            levels=BAD_ABOVE_0,
        ),
        number(
            "Processor",
            "Share that is busy. Above ALERT_CPU_RATIO HighCPUUsage fires; an engine that computes "
            "on the CPU is meant to use it.",
            "percentunit",
            Query(f"max({_cpu()})"),
            levels=full,
        ),
        number(
            "Memory",
            "Share that no program could have. Mapped weights count as available.",
            "percentunit",
            Query(f"max({_memory()})"),
            levels=full,
        ),
        number(
            "Fullest disk",
            "Models are large: `frontier models rm` makes room.",
            "percentunit",
            Query(f"max({_disk()})"),
            levels=full,
        ),
        number(
            "Certificate ends in",
            "Until the TLS certificate expires; "
            "CertificateExpiring fires ALERT_CERTIFICATE_DAYS before.",
            "s",
            Query("min(frontier_tls_not_after_timestamp_seconds) - time()"),
            levels=((None, "red"), (7 * 86400, "orange"), (14 * 86400, "green")),
            none="no TLS",
        ),
    )


def _alerts() -> tuple[Panel, ...]:
    return (
        rows(
            "Alerts",
            "Those that fire, and pending ones that will if it goes on.",
            "short",
            Query('sum by (alertname, severity, alertstate) (ALERTS{alertname!="Watchdog"})'),
            value="series",
            by="alertstate",
            none="no alert",
        ),
        states(
            "Services",
            "Whether Prometheus could scrape each service.",
            UP,
            Query('min by (job, instance) (up{job=~"frontier-.+"})', "{{job}} {{instance}}"),
        ),
    )


def _machine() -> tuple[Panel, ...]:
    disk = "rate(node_disk_{}_bytes_total[$__rate_interval])"
    net = 'rate(node_network_{}_bytes_total{{device!~"lo|veth.*|br-.*"}}[$__rate_interval])'
    return (
        lines(
            "Processor",
            "Share that is busy.",
            "percentunit",
            Query(_cpu(), "{{instance}}"),
            width=8,
            most=1,
        ),
        lines(
            "Memory",
            "What programs have, what the kernel keeps of files (weights, most of all), what is "
            "free.",
            "bytes",
            Query("node_memory_MemTotal_bytes - node_memory_MemAvailable_bytes", "in use"),
            Query("node_memory_MemAvailable_bytes - node_memory_MemFree_bytes", "cached"),
            Query("node_memory_MemFree_bytes", "free"),
            width=8,
            stack=True,
        ),
        lines(
            "Load",
            "Processes that run or want to, by processor: above 1 they wait for each other.",
            "short",
            Query(
                "node_load1 / on (instance) count by (instance) "
                '(node_cpu_seconds_total{mode="idle"})',
                "{{instance}}",
            ),
            width=8,
        ),
        lines(
            "Disk in use",
            "By mount point. DiskFilling fires when one will be full within a day.",
            "percentunit",
            Query(f"max by (mountpoint) ({_disk()})", "{{mountpoint}}"),
            width=8,
            most=1,
        ),
        lines(
            "Disk traffic",
            "Reading is a model that loads, or one that does not fit into memory.",
            "Bps",
            Query(f"sum({disk.format('read')})", "read"),
            Query(f"sum({disk.format('written')})", "written"),
            width=8,
        ),
        lines(
            "Network",
            "Without what stays in this machine. In Docker the node exporter sees no network but "
            "its own, and tells none.",
            "Bps",
            Query(f"sum({net.format('receive')})", "received"),
            Query(f"sum({net.format('transmit')})", "sent"),
            width=8,
            none="not known in Docker",
        ),
    )


def _gateway() -> tuple[Panel, ...]:
    return (
        lines(
            "Memory",
            "Resident memory; above ALERT_MEMORY_BYTES HighMemoryUsage fires.",
            "bytes",
            Query(f"process_resident_memory_bytes{{{_GATEWAY}}}", "{{instance}}"),
            width=8,
        ),
        lines(
            "Processor",
            "Cores that it keeps busy; near 1 per worker: GATEWAY_WORKERS.",
            "short",
            Query(rate("process_cpu_seconds_total", _GATEWAY, by="instance"), "{{instance}}"),
            width=8,
        ),
        lines(
            "Connections",
            "Open ones, from clients and to engines; "
            "above ALERT_CONNECTIONS HighConnectionCount fires.",
            "short",
            Query("sum by (kind) (frontier_open_connections)", "{{kind}}"),
            width=8,
        ),
        lines(
            "Open files",
            "Share of the descriptors that it may have.",
            "percentunit",
            Query(
                f"process_open_fds{{{_GATEWAY}}} / process_max_fds{{{_GATEWAY}}}", "{{instance}}"
            ),
            width=8,
            most=1,
        ),
        lines(
            "Rejected changes of configuration",
            "Files with a mistake in them: the old ones stay in force, the log says why.",
            "short",
            Query("sum(increase(frontier_config_reload_failures_total[15m]))", "last 15 minutes"),
            width=8,
        ),
        rows(
            "Version",
            "Which Frontier answers, and since when.",
            "s",
            Query(
                "(time() - process_start_time_seconds) * on (job, instance) "
                "group_left (version) frontier_build_info"
            ),
            value="runs for",
            width=8,
        ),
    )


def _gpus() -> tuple[Panel, ...]:
    used, free = "DCGM_FI_DEV_FB_USED", "DCGM_FI_DEV_FB_FREE"
    legend = "GPU {{gpu}} {{modelName}}"
    return (
        lines(
            "Busy",
            "Share of the time in which something ran. Near 1 as soon as anything decodes: queues "
            "tell more about load.",
            "percent",
            Query("DCGM_FI_DEV_GPU_UTIL", legend),
            width=8,
            most=100,
            none=_NO_GPU,
        ),
        lines(
            "Memory",
            "Video memory in use.",
            "mbytes",
            Query(used, legend),
            width=8,
            none=_NO_GPU,
        ),
        lines(
            "Memory in use",
            "Share of the video memory. Engines such as vLLM take what they may at their start.",
            "percentunit",
            Query(f"{used} / ({used} + {free})", legend),
            width=8,
            most=1,
            none=_NO_GPU,
        ),
        lines(
            "Power",
            "Draw.",
            "watt",
            Query("DCGM_FI_DEV_POWER_USAGE", legend),
            width=8,
            none=_NO_GPU,
        ),
        lines(
            "Temperature",
            "Above about 85 degrees a GPU slows down.",
            "celsius",
            Query("DCGM_FI_DEV_GPU_TEMP", legend),
            width=8,
            none=_NO_GPU,
        ),
        lines(
            "XID errors",
            "Number of the driver's last error, 0 for none: NVIDIA's documentation lists them.",
            "none",
            Query("DCGM_FI_DEV_XID_ERRORS", legend),
            width=8,
            none=_NO_GPU,
        ),
    )


def _prometheus() -> tuple[Panel, ...]:
    return (
        lines(
            "Samples",
            "How many Prometheus takes in.",
            "cps",
            Query(
                "sum(rate(prometheus_tsdb_head_samples_appended_total[$__rate_interval]))",
                "samples",
            ),
            width=8,
        ),
        lines(
            "Series",
            "How many it keeps in memory.",
            "short",
            Query("sum(prometheus_tsdb_head_series)", "series"),
            width=8,
        ),
        lines(
            "Scrapes",
            "How long each takes.",
            "s",
            Query("max by (job) (scrape_duration_seconds)", "{{job}}"),
            width=8,
        ),
    )
