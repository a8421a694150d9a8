"""What hrec must reach, each beside what the others do, and whether it does."""
from dataclasses import dataclass, field

from figures import median, quantile, undisturbed

PEERS = ("bare", "floor", "floor-ttyrec", "script", "ttyrec", "termrec", "asciinema", "ovh-ttyrec", "tlog", "sudo", "hrec-nosync", "hrec")


@dataclass
class Row:
    """One line of the table. `own` is what is judged, where that is not simply
    hrec's cell: a ratio, or what it adds."""
    what: str
    must: str
    cells: dict = field(default_factory=dict)  # by recorder, as printed
    own: str = "not measured"
    met: bool = None  # None: not measured, or not to be judged


def judged(results):
    """The rows of all that was measured."""
    samples = {
        test: {name: undisturbed(some) for name, some in by_name.items() if some}
        for test, by_name in results["samples"].items()
    }
    rows = []
    for test, of_peers in (
        ("bulk", bulk), ("latency", echo), ("pingpong", echo), ("idle", idle), ("startup", startup),
        ("human", memory), ("bulk", memory), ("stalled", memory), ("runaway", runaway), ("crash", lost), ("burst", lost),
    ):
        if samples.get(test):
            rows += of_peers(test, samples[test])
    for test, of_hrec in (
        ("sizes", sizes), ("seek", seek), ("search", search), ("player", player), ("verify-all", verify_all), ("ledger", ledger), ("shell", shell), ("kills", kills),
    ):
        if results["alone"].get(test):
            rows += of_hrec(results["alone"][test])
    return rows


def known(*values):
    return all(value is not None and value == value for value in values)


def row(what, must, values, shown, own=None, show_own=None, most=None):
    """A row of one value for each recorder, None where it is not known."""
    cells = {name: shown(value) for name, value in values.items() if known(value)}
    if not known(own):
        return Row(what, must, cells)
    return Row(what, must, cells, show_own(own), None if most is None else own <= most)


def each(samples, figure):
    return {name: figure(some) for name, some in samples.items()}


def over(values, name, base):
    """How much more one has than another."""
    if known(values.get(name), values.get(base)):
        return values[name] - values[base]
    return None


def times(values, name, base):
    if known(values.get(name), values.get(base)):
        return values[name] / values[base]
    return None


def bulk(test, samples):
    wall, cpu = each(samples, lambda some: median(some, "wall")), each(samples, lambda some: median(some, "cpu"))
    seconds, factor = "{:.2f} s".format, "× {:.2f}".format
    return [
        row("200 MB, wall", "≤ 1.05 floor", wall, seconds, times(wall, "hrec", "floor"), factor, 1.05),
        row("200 MB, CPU", "≤ 1.1 ovh-ttyrec", cpu, seconds, times(cpu, "hrec", "ovh-ttyrec"), factor, 1.1),
    ]


def echo(test, samples):
    gaps = "5 ms gaps" if test == "latency" else "back to back"
    rows = []
    for share, most in ((0.5, 10), (0.99, 100)):
        values = each(samples, lambda some: quantile([t / 1e3 for s in some for t in s["echo_ns"]], share))
        name = f"echo, {gaps}, {share:.0%}"
        rows.append(row(name, f"≤ floor + {most} µs", values, "{:.0f} µs".format, over(values, "hrec", "floor"), "{:+.0f} µs".format, most))
    return rows


def idle(test, samples):
    woke, switches = each(samples, lambda some: median(some, "woke")), each(samples, lambda some: median(some, "switches"))
    shown, more = "{:.0f}".format, "{:+.0f}".format
    added = {name: over(switches, name, "bare") for name in switches if name != "bare"}
    return [
        row("idle, wake-ups in 3.5 s of it", "0", woke, shown, woke.get("hrec"), shown, 0),
        row("idle, switches added in 5 s", "stated", added, more, added.get("hrec"), more),
    ]


def startup(test, samples):
    values = each(samples, lambda some: median(some, "wall") * 1e3)
    shown, added = "{:.1f} ms".format, "{:+.1f} ms".format
    own = over(values, "hrec-nosync", "bare")
    return [
        row("/bin/true, syncs off", "≤ bare + 3 ms", values, shown, own, added, 3),
        row("/bin/true, with them", "stated", {}, shown, over(values, "hrec", "bare"), added),
    ]


def memory(test, samples):
    what, most = {"human": ("somebody types", 8), "bulk": ("200 MB burst", 16), "stalled": ("viewer stalled", 16)}[test]
    values = each(samples, lambda some: median(some, "rss_max_kb") / 1024 or None)  # bare has no recorder
    shown = "{:.1f} MiB".format
    return [row(f"memory, {what}", f"≤ {most} MiB", values, shown, values.get("hrec"), shown, most)]


def runaway(test, samples):
    end = each(samples, lambda some: median(some, "stop") * 1e3)
    printed = each(samples, lambda some: median(some, "printed_after") / 1024)
    ms, kib = "{:.0f} ms".format, "{:.0f} KiB".format
    return [
        row("^C on a flood, to the end", "≤ 20 ms", end, ms, end.get("hrec"), ms, 20),
        row("^C on a flood, still printed", "≤ 64 KiB", printed, kib, printed.get("hrec"), kib, 64),
    ]


def lost(test, samples):
    what, most = {"crash": ("a line every 10 ms", 250), "burst": ("a flood", 1000)}[test]
    values = each(samples, lambda some: max(s["lost_seconds"] for s in some) * 1e3)
    shown = "{:.0f} ms".format
    made = row(f"lost by SIGKILL, {what}", f"≤ {most} ms", values, shown, values.get("hrec"), shown, most)
    for name, some in samples.items():
        if any(sample["unreadable"] for sample in some):
            made.cells[name] = "all"
            made.met = made.met and name != "hrec"
    return [made]


def sizes(samples):
    own = sum(s["file"] for s in samples) / sum(s["stock"] for s in samples)
    return [Row("recordings of people, size", "≤ 1.08 zstd -9, age", {}, f"× {own:.3f}", own <= 1.08)]


def seek(samples):
    sample = samples[-1]
    opened, sought = sample["open to first screen"]["p50"], sample["seek to a random time"]["p99"]
    what = f"{sample['hours']} h, {sample['megabytes']} MB"
    mib = sample["memory_kb"] / 1024
    return [
        Row(f"{what}, open", "≤ 10 ms", {}, f"{opened:.1f} ms", opened <= 10),
        Row(f"{what}, seek, 99 %", "≤ 30 ms", {}, f"{sought:.1f} ms", sought <= 30),
        Row(f"{what}, memory", "≤ 32 MiB", {}, f"{mib:.1f} MiB", mib <= 32),
    ]


def search(samples):
    first = max(quantile(sample["first"], 0.5) for sample in samples if sample["first"])
    slowest = max(quantile(s["all"], 0.5) / quantile(s["pipe"], 0.5) for s in samples)
    return [
        Row("search, first match of a common text", "≤ 100 ms", {}, f"{first:.0f} ms", first <= 100),
        Row("search, whole recording", "< age, zstd, rg", {}, f"× {slowest:.2f}", slowest < 1),
    ]


def verify_all(samples):
    sample = samples[-1]
    own, stock = median(sample["hrec"], "wall"), median(sample["sha256sum"], "wall")
    cells = {"sha256sum": f"{stock:.2f} s", "hrec": f"{own:.2f} s"}
    return [Row(f"verify --all, {sample['recordings']:,} recordings", "≤ 1.1 sha256sum", cells, f"× {own / stock:.2f}", own <= 1.1 * stock)]


def ledger(samples):
    sample = samples[-1]
    own, start = sample["append"]["p50"], sample["a session's start"]["p50"]
    rows = [
        Row("ledger, append", "≤ 1 ms", {}, f"{own:.2f} ms", own <= 1),
        Row("ledger, at a session's start", "stated", {}, f"{start:.2f} ms"),
    ]
    for writers in (1, 8, 32):
        own, disk = sample[f"append, sync, {writers} writers"], sample[f"write, sync, {writers} writers"]
        cells = {"disk": f"{disk['p50']:.2f} ms", "hrec": f"{own['p50']:.2f} ms"}
        rows.append(Row(f"ledger, durable, {writers} at once", "the disk's sync", cells, f"× {own['p50'] / disk['p50']:.2f}"))
    proof = sample["inclusion proof"]["p99"]
    rows.append(Row(f"inclusion proof, {sample['entries']:,} entries, 99 %", "≤ 10 ms", {}, f"{proof:.2f} ms", proof <= 10))
    return rows


def player(samples):
    sample = samples[-1]
    times, memory, cpu = sample["times"], sample["memory_kb"], sample["cpu"]
    what = f"play {sample['hours']} h, {sample['megabytes']} MB"
    ms, mib, percent = "{:.1f} ms".format, "{:.1f} MiB".format, "{:.2f} %".format
    rows = []

    def own(name, must, value, most, shown, cells=None):
        if value is not None:
            rows.append(Row(name, must, cells or {}, shown(value), value <= most))

    def time(name, share):
        return times[name][share] if name in times else None

    def kib(name):
        return memory[name] / 1024 if name in memory else None

    # Which show the start of the same in the clear, and cannot go elsewhere.
    peers = {"asciinema": "asciinema", "termrec": "termplay"}
    first = {peer: time(f"{player}, open to first output", "p50") for peer, player in peers.items()}
    first = {peer: ms(took) for peer, took in first.items() if took is not None}
    held = {peer: kib(f"{player}, peak memory") for peer, player in peers.items()}
    held = {peer: mib(value) for peer, value in held.items() if value is not None}
    own(f"{what}, open", "≤ 30 ms", time("open to first full frame", "p50"), 30, ms, first)
    own(f"{what}, seek, 99 %", "≤ 50 ms", time("key to drawn, seek to a random time", "p99"), 50, ms)
    own(f"{what}, memory", "≤ 64 MiB", kib("peak memory"), 64, mib, held)
    own("play a human session, CPU", "≤ 2 %", cpu.get("a human session at 1×"), 2, percent)
    own("play, paused, CPU", "0 %", cpu.get("paused"), 0, percent)
    for name in ("vim", "htop"):
        # A frame's time: what is drawn at the next one is not behind.
        own(f"play {name} at 64 x, end late", "≤ 17 ms", time(f"{name} at 64×, the end is late by", "most"), 17, ms)
        own(f"play {name} at 64 x, keys, most", "≤ 50 ms", time(f"{name} at 64×, key to drawn", "most"), 50, ms)
    return rows


def shell(samples):
    rows = []
    for sample in samples:
        what = sample["what"].rsplit(", ", 1)[0]
        if "added" in sample:
            rows.append(Row(f"hrec shell, {what}", "≤ 15 ms added", {}, f"{sample['added']:+.1f} ms", sample["added"] <= 15))
        elif "ratio" in sample:
            rows.append(Row(f"hrec shell, {what}", "≥ 0.9 without", {}, f"× {sample['ratio']:.2f}", sample["ratio"] >= 0.9))
        else:
            own, other = sample["with"], sample["without"]
            rows.append(Row(f"hrec shell, {what}", "none fails", {}, f"{own:.1f} s, {other:.1f} without", sample["failed"] == 0))
    return rows


def kills(samples):
    unreadable, count = sum(s["unreadable"] for s in samples), sum(s["kills"] for s in samples)
    rows = [Row("unreadable after kills", "0 of 1,000", {}, f"{unreadable} of {count:,}", unreadable == 0)]
    for sample in samples:
        most = 250 if sample["load"] == "ticker" else 1000
        made = Row(f"lost by kills, {sample['load']}", f"≤ {most} ms", {}, f"{sample['worst_ms']} ms", sample["worst_ms"] <= most)
        rows.append(made)
    return rows
