#!/usr/bin/env python3
"""Does a number mean the same everywhere? Quiet data (`quiet.py`) through the product's own commands.

usage: tests/bench/quality/calibration.py [--short] [--seeds 1,2] [--binary PATH] [--keep DIR]

Printed per preset: the reliability table (a surprise s claims that one row in 10^s is so strange: the share that was), alarms a day at the
shipped defaults, alarms a day at the threshold that the budget alone would set, and whether the second half of the days has as many as the
first. Exits 1 when alarms a day at the shipped defaults, or at the budget's own threshold (from the budget down to half of it, and up to
twice), do not hold within a factor of 2; with few alarms expected, within what chance allows (99 %).
"""
import argparse, collections, csv, json, math, os, subprocess, sys, tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import quiet

BUDGET = 20.0
# What is asked for when the budget alone sets the threshold. A series is quiet for a tenth of its history after a peak (100 to 2,000 rows): of
# rows that follow no order one in p + 1 is the highest of p + 1, so that 288 rows a day with p from 115 to 345 here have 2.5 down to 0.8 alarms
# a day at whatever threshold. A budget above that cannot be spent; half an alarm a day can.
ASKED = {"series": 0.5}
LEVELS = (1.0, 2.0, 2.5, 3.0, 3.5, 4.0)
PRESETS = ("metrics", "siem_alerts", "web_access", "ssh_auth", "api_audit", "series")


def surprise(score):
    """Inverse of the score 100 s^2 / (s^2 + 3.5^2)."""
    score = min(score, 99.999999)
    return 3.5 * math.sqrt(score / (100 - score))


def scanned(binary, folder, name, arguments, path, until):
    """(day, surprise) of every row judged, and the anomalies that were reported per day."""
    scores, out = os.path.join(folder, name + ".scores.csv"), os.path.join(folder, name + ".anomalies.ndjson")
    command = [binary, "scan", *arguments, "--train-until", until, path, "--scores", scores, "--out", out]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}: {done.stderr.strip()[-500:]}")
    rows = []
    with open(scores) as h:
        for r in csv.DictReader(h):
            when = (r.get("window") or r["timestamp"])[:10]
            rows.append((when, surprise(float(r["score"]))))
    with open(out) as h:
        reported = collections.Counter(json.loads(line)["@timestamp"][:10] for line in h)
    return rows, reported


def poisson_range(expected):
    """The middle 99 % of a Poisson count."""
    if expected > 200:
        return expected - 2.6 * math.sqrt(expected), expected + 2.6 * math.sqrt(expected)
    p, total, low, k = math.exp(-expected), 0.0, None, 0
    while True:
        total += p
        if low is None and total > 0.005:
            low = k
        if total > 0.995:
            return low, k
        k += 1
        p *= expected / k


def holds(count, wanted, at_most=False):
    """Whether a count is within a factor of 2 of what is wanted, as far as chance lets one say."""
    low, high = poisson_range(wanted / 2)[0], poisson_range(wanted * 2)[1]
    return count <= high and (at_most or count >= low)


def one(binary, folder, preset, seed, days):
    """Rows, reported anomalies and the number of scored days of a preset."""
    until = quiet.stamp(quiet.LEARN * 86_400)
    rows, reported = [], collections.Counter()
    for kind in quiet.SERIES if preset == "series" else [""]:
        name = f"{preset}{kind}{seed}"
        path = os.path.join(folder, name + {"web_access": ".log", "series": ".csv"}.get(preset, ".ndjson"))
        arguments = quiet.series(path, seed, days, kind) if kind else getattr(quiet, preset)(path, seed, days)
        more, alarms = scanned(binary, folder, name, arguments, path, until)
        rows += [r for r in more if r[0] >= until[:10]]
        reported.update(alarms)
        os.remove(path)
    return rows, reported, days - quiet.LEARN


def judge(preset, rows, reported, days):
    """Figures of a preset: (reliability, lines for the table of `run`)."""
    jobs = len(quiet.SERIES) if preset == "series" else 1
    n = len(rows)
    shares = [sum(s >= level for _, s in rows) / n for level in LEVELS]
    budget, count = BUDGET * jobs, sum(reported.values())
    out = [(f"quiet {preset}, alarms a day at the defaults", f"{count / days:.2f}", holds(count, budget * days, True), f"budget {budget:g}")]
    # The budget's own threshold, without the least score: as many rows as it asks for.
    asked = ASKED.get(preset, BUDGET) * jobs
    at = math.log10(max(1.0, n / days / asked))
    by_day = collections.Counter(day for day, s in rows if s >= at)
    total = sum(by_day.values())
    out.append((f"quiet {preset}, rows a day at the budget's threshold", f"{total / days:.1f}", holds(total, asked * days), f"budget {asked:g}, surprise {at:.2f}"))
    listed = [by_day[d] for d in sorted({day for day, _ in rows})]
    half = len(listed) // 2
    first, second = sum(listed[:half]), sum(listed[-half:])
    out.append((f"quiet {preset}, the same, second half over first", f"{second / max(1, first):.2f}", holds(second, max(1, first)), "per day: " + " ".join(map(str, listed))))
    return shares, out


def measure(binary, folder, is_short=False, seeds=(1,)):
    """Lines for the table of `run`: (what, value, whether it holds, detail). Prints the reliability table."""
    print("share of rows at or above a surprise, as -log10 (it should be the surprise)")
    print("  ".join(["preset".ljust(12), "rows".rjust(8)] + [f"{level:6.1f}" for level in LEVELS]))
    lines = []
    for preset in PRESETS:
        rows, reported, days = [], collections.Counter(), 0
        for seed in seeds:
            r, a, d = one(binary, folder, preset, seed, quiet.LEARN + (4 if is_short else 8))
            # Days of another seed are other days.
            rows += [(f"{seed} {day}", s) for day, s in r]
            reported.update({f"{seed} {day}": k for day, k in a.items()})
            days += d
        shares, out = judge(preset, rows, reported, days)
        print("  ".join([preset.ljust(12), str(len(rows)).rjust(8)] + [f"{-math.log10(s):6.2f}" if s else "  none" for s in shares]), flush=True)
        lines += out
    return lines


if __name__ == "__main__":
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--short", action="store_true")
    ap.add_argument("--seeds", default="1")
    ap.add_argument("--presets", default=",".join(PRESETS))
    ap.add_argument("--binary", default=os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../target/release/elkhound"))
    a = ap.parse_args()
    PRESETS = tuple(a.presets.split(","))
    with tempfile.TemporaryDirectory() as tmp:
        found = measure(a.binary, tmp, a.short, tuple(map(int, a.seeds.split(","))))
    for what, value, is_held, detail in found:
        print(f"{what}: {value} ({detail}){'' if is_held else '  BROKEN'}")
    sys.exit(0 if all(f[2] for f in found) else 1)
