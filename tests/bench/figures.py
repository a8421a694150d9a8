"""What samples come to."""
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
