"""`make bench`: every benchmark in turn. Figures are medians, and ratios are taken within one run."""

from __future__ import annotations

from bench import (
    api,
    bench_accounts,
    bench_cpu,
    bench_large,
    bench_migrate,
    bench_peers,
    bench_png,
    bench_quality,
    bench_wgsl,
    daemon_load,
    estimates,
)

for part in (
    bench_cpu,
    bench_peers,
    bench_quality,
    bench_png,
    bench_wgsl,
    bench_large,
    api,
    daemon_load,
    estimates,
    bench_accounts,
    bench_migrate,
):
    print(f"== {(part.__doc__ or '').splitlines()[0]}", flush=True)
    part.main()
