#!/usr/bin/env python3
"""Many entities with planted anomalies: the product's own command beside OpenSearch's anomaly detection.

  entities.py --tools DIR --binary target/release/elkhound [--seeds 7,8,9] [--work DIR]

DIR holds gen_entities.py and score.py. For every seed it makes the set, runs `elkhound scan --preset metrics` with the shipped defaults,
turns the anomalies that were reported into alarms, and scores them with score.py's own rules. The figures of OpenSearch AD 2.19.4
(historical analysis, five features, shingle 8) were measured on seed 7 and stand beside ours. Prints one table, and what the scan cost.
"""
import argparse, datetime, json, os, re, resource, subprocess, sys, tempfile

AD = [("OpenSearch AD, deviations above 20 %, grade > 0", 0.17, 0.84, 0.10, 0.68, 0.16),
      ("OpenSearch AD, deviations above 50 %, grade > 0", 0.30, 0.64, 0.20, 0.13, 0.31),
      ("OpenSearch AD, deviations above 50 %, grade > 0.95", 0.40, 0.48, 0.34, 0.043, None)]
GOALS = {"floor": 0.60, "good": 0.75, "aim": 0.90}
HEAD = ("rule", "F1", "recall", "precision", "false/entity/day", "recall of 64 strongest")


def run(command, **options):
    return subprocess.run(command, check=True, text=True, capture_output=True, **options).stdout


def alarms(path, out):
    """One line per reported anomaly: entity, bucket start, score."""
    with open(path) as lines, open(out, "w") as target:
        for line in lines:
            doc = json.loads(line)
            own = doc.get("elkhound", {})
            entity = own.get("entity", {}).get("value") or own.get("entity", {}).get("key")
            if entity is None:
                continue
            target.write(json.dumps({"entity": entity, "start": epoch_ms(doc["@timestamp"]), "grade": own["score"] / 100}) + "\n")


def epoch_ms(value):
    if isinstance(value, (int, float)):
        return int(value)
    return int(datetime.datetime.fromisoformat(value.replace("Z", "+00:00")).timestamp() * 1000)


def figures(text):
    """The line of score.py for everything reported, and the recall among the 64 strongest episodes."""
    everything = re.search(r"^grade>0 .*?\((\S+)/entity/day\)\s+recall \d+/\d+=(\S+)\s+precision\(ep\) (\S+).*?F1 (\S+)", text, re.M)
    strongest = re.search(r"^budget 64 .*?recall \d+/\d+=(\S+)", text, re.M)
    false, recall, precision, f1 = (float(x) for x in everything.groups())
    return f1, recall, precision, false, float(strongest.group(1)) if strongest else recall


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--tools", required=True)
    p.add_argument("--binary", default="target/release/elkhound")
    p.add_argument("--seeds", default="7")
    p.add_argument("--work")
    p.add_argument("--floor", action="store_true", help="exit 1 when a seed is below the floor")
    a = p.parse_args()
    work = a.work or tempfile.mkdtemp(prefix="elkhound-entities-")
    rows, cpu, documents = [], 0.0, 0
    for seed in a.seeds.split(","):
        folder = os.path.join(work, seed)
        if not os.path.exists(os.path.join(folder, "labels.json")):
            run([sys.executable, os.path.join(a.tools, "gen_entities.py"), folder, "--seed", seed])
        found, listed = os.path.join(folder, "anomalies.ndjson"), os.path.join(folder, "alarms.jsonl")
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        run([a.binary, "scan", "--preset", "metrics", "--bucket-span", "5m", os.path.join(folder, "docs.ndjson"), "--out", found])
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu += after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        with open(os.path.join(folder, "docs.ndjson")) as f:
            documents += sum(1 for _ in f)
        alarms(found, listed)
        rows.append((f"elkhound, seed {seed}",) + figures(run([sys.executable, os.path.join(a.tools, "score.py"), os.path.join(folder, "labels.json"), listed])))
    mean = tuple(sum(r[i] for r in rows) / len(rows) for i in range(1, 6))
    table = rows + [("elkhound, mean", *mean)] + AD
    print(" | ".join(HEAD))
    for name, *values in table:
        print(" | ".join([name] + ["-" if v is None else f"{v:.3f}" for v in values]))
    print("goals, F1 and recall of the 64 strongest:", ", ".join(f"{k} {v:.2f}" for k, v in GOALS.items()))
    print(f"cost: {cpu * 1e6 / max(1, documents):.1f} microseconds of CPU per entity and bucket (reading included); OpenSearch AD: 710")
    if a.floor and min(min(r[1], r[5]) for r in rows) < GOALS["floor"]:
        sys.exit(1)


if __name__ == "__main__":
    main()
