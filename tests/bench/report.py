"""The table: medians, with the bare program and the floor to compare with."""
import statistics


def quantile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")


def undisturbed(samples):
    """Without the runs during which other processes used the machine, if
    enough remain."""
    calm = [s for s in samples if s.get("foreign", 0) < max(0.06, 0.08 * s["wall"])]
    return calm if len(calm) >= max(1, len(samples) // 4) else samples


def median(samples, key):
    values = [sample[key] for sample in samples if sample.get(key) is not None]
    return statistics.median(values) if values else float("nan")


def ratio(value, base):
    return f"{value / base:.2f}" if base and base == base else "-"


def print_table(head, rows):
    widths = [max(len(str(row[i])) for row in [head, *rows]) for i in range(len(head))]
    for row in [head, ["-" * width for width in widths], *rows]:
        cells = [str(cell).ljust(w) if i == 0 else str(cell).rjust(w) for i, (cell, w) in enumerate(zip(row, widths))]
        print("| " + " | ".join(cells) + " |")
    print()


def columns(test, samples, base, floor):
    """One recorder's cells, under this test's heads."""
    m = lambda key: median(samples, key)
    runs = len(samples)
    if test in ("bulk", "slow"):
        return {
            "runs": runs, "wall s": f"{m('wall'):.2f}", "MB/s": f"{m('megabytes_a_second'):.0f}", "× bare": ratio(m("wall"), base("wall")),
            "× floor": ratio(m("wall"), floor("wall")), "cpu s": f"{m('cpu'):.2f}", "user": f"{m('user'):.2f}", "sys": f"{m('system'):.2f}",
            "kworker": f"{m('kworker'):.2f}", "RSS MiB": f"{m('rss_max_kb') / 1024:.1f}", "all MiB": f"{m('rss_sum_kb') / 1024:.1f}",
            "disk MB": f"{m('disk') / 1e6:.1f}", "switches": f"{m('switches'):.0f}",
        }
    if test in ("latency", "pingpong"):
        times = [t / 1e3 for sample in samples for t in sample["echo_ns"]]
        cells = {"keys": len(times), "min µs": f"{min(times):.1f}"}
        cells |= {name: f"{quantile(times, share):.1f}" for name, share in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999))}
        added = quantile(times, 0.5) - floor("p50")
        return cells | {"p50 over floor": f"{added:+.1f}", "p99 over floor": f"{quantile(times, 0.99) - floor('p99'):+.1f}"}
    if test == "startup":
        walls = [sample["wall"] * 1e3 for sample in samples]
        return {
            "runs": runs, "median ms": f"{m('wall') * 1e3:.2f}", "min": f"{min(walls):.2f}", "p90": f"{quantile(walls, 0.9):.2f}",
            "added": f"{(m('wall') - base('wall')) * 1e3:+.2f}", "cpu ms": f"{m('cpu') * 1e3:.2f}", "faults": f"{m('faults'):.0f}",
        }
    if test == "idle":
        return {"runs": runs, "cpu ms": f"{m('cpu') * 1e3:.2f}", "switches": f"{m('switches'):.0f}", "added": f"{m('switches') - base('switches'):+.0f}"}
    if test == "verify":
        whole = lambda key: all(s[key] for s in samples) if samples[0][key] is not None else "-"
        return {"shown whole": whole("shown_whole"), "recorded whole": whole("recorded_whole"), "disk MB": f"{m('disk') / 1e6:.2f}"}
    if test == "runaway":
        return {"runs": runs, "end after ms": f"{m('stop') * 1e3:.0f}", "printed KiB": f"{m('printed_after') / 1024:.0f}", "RSS MiB": f"{m('rss_max_kb') / 1024:.1f}"}
    return {
        "runs": runs, "shown": f"{m('shown'):.0f}", "kept": f"{m('kept'):.0f}",
        "lost s": f"{m('lost_seconds'):.2f}", "worst": f"{max(s['lost_seconds'] for s in samples):.2f}",
    }


def reference(samples):
    """Asks one recorder's samples for a figure that others are compared with."""
    def figure(key):
        if not samples:
            return float("nan")
        if key in ("p50", "p99"):
            times = [t / 1e3 for sample in samples for t in sample["echo_ns"]]
            return quantile(times, int(key[1:]) / 100)
        return median(samples, key)

    return figure


def report(results):
    machine = results["machine"]
    print(f"\n{machine['time']}  {machine['cpu']} × {machine['cpus']}, {machine['system']}, load {machine['load']}\n")
    for test, by_name in results["samples"].items():
        calm = {name: undisturbed(samples) for name, samples in by_name.items() if samples}
        if not calm:
            continue
        base, floor = reference(calm.get("bare")), reference(calm.get("floor"))
        rows = {name: columns(test, samples, base, floor) for name, samples in calm.items()}
        head = list(next(iter(rows.values())))
        print(f"## {test}: {results['tests'][test]['what']}")
        print_table(["recorder", *head], [[name, *cells.values()] for name, cells in rows.items()])
    for failure in results["failures"]:
        print("failed:", failure)
