"""The tables: medians, with the bare program and the floor to compare with;
and at the end what must be reached, and whether it is."""
import demands
from figures import median, quantile, ratio, undisturbed


def print_table(head, rows):
    widths = [max(len(str(row[i])) for row in [head, *rows]) for i in range(len(head))]
    for row in [head, ["-" * width for width in widths], *rows]:
        cells = [str(cell).ljust(w) if i == 0 else str(cell).rjust(w) for i, (cell, w) in enumerate(zip(row, widths))]
        print("| " + " | ".join(cells) + " |")
    print()


def columns(test, samples, base, floor):
    """One recorder's cells, under this test's heads."""
    m = lambda key: median(samples, key)
    cells = {"runs": len(samples)}
    if test in ("bulk", "slow"):
        return cells | {
            "wall s": f"{m('wall'):.2f}", "MB/s": f"{m('megabytes_a_second'):.0f}", "× bare": ratio(m("wall"), base("wall")),
            "× floor": ratio(m("wall"), floor("wall")), "cpu s": f"{m('cpu'):.2f}", "user": f"{m('user'):.2f}", "sys": f"{m('system'):.2f}",
            "kworker": f"{m('kworker'):.2f}", "RSS MiB": f"{m('rss_max_kb') / 1024:.1f}", "all MiB": f"{m('rss_sum_kb') / 1024:.1f}",
            "disk MB": f"{m('disk') / 1e6:.1f}", "switches": f"{m('switches'):.0f}",
        }
    if test in ("latency", "pingpong"):
        times = [t / 1e3 for sample in samples for t in sample["echo_ns"]]
        cells |= {"keys": len(times), "min µs": f"{min(times):.1f}"}
        cells |= {name: f"{quantile(times, share):.1f}" for name, share in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999))}
        added = quantile(times, 0.5) - floor("p50")
        return cells | {"p50 over floor": f"{added:+.1f}", "p99 over floor": f"{quantile(times, 0.99) - floor('p99'):+.1f}"}
    if test == "startup":
        walls = [sample["wall"] * 1e3 for sample in samples]
        return cells | {
            "median ms": f"{m('wall') * 1e3:.2f}", "min": f"{min(walls):.2f}", "p90": f"{quantile(walls, 0.9):.2f}",
            "added": f"{(m('wall') - base('wall')) * 1e3:+.2f}", "cpu ms": f"{m('cpu') * 1e3:.2f}", "faults": f"{m('faults'):.0f}",
        }
    if test == "idle":
        return cells | {"woke": f"{m('woke'):.0f}", "cpu ms": f"{m('cpu') * 1e3:.2f}", "switches": f"{m('switches'):.0f}", "added": f"{m('switches') - base('switches'):+.0f}"}
    if test == "verify":
        whole = lambda key: all(s[key] for s in samples) if samples[0][key] is not None else "-"
        return {"shown whole": whole("shown_whole"), "recorded whole": whole("recorded_whole"), "disk MB": f"{m('disk') / 1e6:.2f}"}
    if test in ("human", "stalled"):
        return cells | {"RSS MiB": f"{m('rss_max_kb') / 1024:.1f}", "all MiB": f"{m('rss_sum_kb') / 1024:.1f}"}
    if test == "runaway":
        return cells | {"end after ms": f"{m('stop') * 1e3:.0f}", "printed KiB": f"{m('printed_after') / 1024:.0f}", "RSS MiB": f"{m('rss_max_kb') / 1024:.1f}"}
    return cells | {
        "shown": f"{m('shown'):.0f}", "kept": f"{m('kept'):.0f}", "unreadable": sum(s["unreadable"] for s in samples),
        "lost s": f"{m('lost_seconds'):.2f}", "worst": f"{max(s['lost_seconds'] for s in samples):.2f}",
    }


def sizes(samples):
    total = lambda key: sum(sample[key] for sample in samples)
    row = lambda name, some: [
        name, len(some), f"{sum(s['asciicast'] for s in some) / 1e6:.2f}", sum(s["file"] for s in some), sum(s["stock"] for s in some),
        ratio(sum(s["file"] for s in some), sum(s["stock"] for s in some)),
        *(f"{quantile([s['file'] / s['stock'] for s in some], share):.2f}" for share in (0, 0.1, 0.5, 0.9, 1)),
    ]
    bounds = [(0, 4), (4, 16), (16, 64), (64, 1 << 20)]
    groups = [(f"{a} to {b} KiB" if b < 1 << 20 else f"over {a} KiB", [s for s in samples if a <= s["asciicast"] / 1024 < b]) for a, b in bounds]
    print_table(
        ["asciicast", "files", "MB", "bytes", "zstd -9, age", "ratio", "least", "10 %", "50 %", "90 %", "most"],
        [row("all", samples)] + [row(name, some) for name, some in groups if some],
    )
    shares = " ".join(f"{part} {total(part) / total('file'):.2%}," for part in ("head", "keyframes", "index", "padding", "table"))
    print(f"of the files: {shares} {total('frames')} frames\n")


def seek(samples):
    for sample in samples:
        rows = [[name, *(f"{sample[name][key]:.2f}" for key in ("p50", "p99", "most"))] for name in sample if isinstance(sample[name], dict)]
        rows += [[name, f"{took:.2f}", "", ""] for name, took in sample.items() if isinstance(took, float)]
        print_table([f"{sample['hours']} h, {sample['megabytes']} MB", "p50 ms", "p99", "most"], rows)
        print(f"memory {sample['memory_kb'] / 1024:.1f} MiB\n")


def player(samples):
    for sample in samples:
        rows = [[name, *(f"{of[key]:.2f}" for key in ("p50", "p99", "most"))] for name, of in sample["times"].items()]
        print_table([f"{sample['hours']} h, {sample['megabytes']} MB", "p50 ms", "p99", "most"], rows)
        print_table(["CPU", "% of a core"], [[name, f"{share:.2f}"] for name, share in sample["cpu"].items()])
        print_table(["memory", "MiB"], [[name, f"{kb / 1024:.1f}"] for name, kb in sample["memory_kb"].items()])
        print_table(["as fast as possible", "times as fast"], [[name, speed] for name, speed in sample["speed"].items()])
        for name in sample["missing"]:
            print(f"{name} is not here")


def search(samples):
    middle = lambda sample, key: f"{quantile(sample[key], 0.5):.0f}" if sample[key] else "-"
    print_table(
        ["pattern", "matches", "first ms", "all ms", "age | zstd | rg"],
        [[s["pattern"], s["matches"], *(middle(s, key) for key in ("first", "all", "pipe"))] for s in samples],
    )


def recipients(samples):
    print_table(["recipient", "header bytes", "to record", "to open"], [[s["name"], s["header"], s["wrap"], s["unwrap"]] for s in samples])


def verify_all(samples):
    for sample in samples:
        rows = [[name, *(f"{median(sample[name], key):.2f}" for key in ("wall", "cpu"))] for name in ("hrec", "sha256sum")]
        print_table([f"{sample['recordings']} recordings, {sample['files']} files, {sample['bytes'] / 1e6:.0f} MB", "wall s", "cpu s"], rows)


def ledger(samples):
    for sample in samples:
        rows = [[name, *(f"{sample[name][key]:.3f}" for key in ("p50", "p99", "most")), sample[name].get("rate", "")] for name in sample if isinstance(sample[name], dict)]
        rows += [[name, f"{took:.0f}", "", "", ""] for name, took in sample.items() if isinstance(took, float)]
        print_table([f"{sample['entries']} entries", "p50 ms", "p99", "most", "a second"], rows)


def shell(samples):
    rows = []
    for sample in samples:
        added = f"{sample['added']:.1f} more" if "added" in sample else ""
        cost = f"{sample['ratio']:.2f} x" if "ratio" in sample else added
        failed = str(sample["failed"]) if "failed" in sample else ""
        rows.append([sample["what"], f"{sample['without']:.1f}", f"{sample['with']:.1f}", cost, failed])
    print_table(["", "without", "with hrec", "that is", "failed"], rows)


def collect(samples):
    rows = []
    for sample in samples:
        for key, value in sample.items():
            if key != "what":
                rows.append([sample["what"], key.replace("_", " "), f"{value:.2f}"])
    print_table(["", "", "is"], rows)


def kills(samples):
    head = ("kills", "unreadable", "median_ms", "p99_ms", "worst_ms")
    print_table(["load", "kills", "unreadable", "lost ms", "99 %", "worst"], [[s["load"], *(s[key] for key in head)] for s in samples])


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
    for test, samples in results["alone"].items():
        print(f"## {test}: {results['tests'][test]['what']}")
        {
            "sizes": sizes, "seek": seek, "search": search, "player": player, "recipients": recipients, "verify-all": verify_all,
            "ledger": ledger, "shell": shell, "collect": collect, "kills": kills,
        }[test](samples)
    print("## What must be reached" + (" (of a quick run: a look, not a figure)" if results["quick"] else ""))
    rows = demands.judged(results)
    peers = [name for name in demands.PEERS if any(row.cells.get(name) for row in rows)]
    print_table(
        ["what", "must be", *peers, "hrec is", "met"],
        [[row.what, row.must, *(row.cells.get(name) or "" for name in peers), row.own, {True: "yes", False: "NO", None: "-"}[row.met]] for row in rows],
    )
    for line in results["missing"] + results["failures"]:
        print(line)
