#!/usr/bin/env python3
"""What a Python program needs for the same rows: CPU microseconds a row, for the cost table of `run`.

peers.py gaussian SERIES.csv | forest TABLE.csv.gz | alerts EVENTS.ndjson.gz | weblog PIPELINE.py ACCESS.log
"""
import gzip, json, os, resource, subprocess, sys, time


def cpu():
    own, kids = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + kids.ru_utime + kids.ru_stime


def gaussian(path):
    """Rolling Gaussian, a row at a time, as the benchmark's own baseline does it."""
    import math
    import numpy as np
    values = np.genfromtxt(path, delimiter=",", skip_header=1, usecols=1)
    began, window = cpu(), 1000
    for i in range(1, len(values)):
        past = values[max(0, i - window):i]
        deviation = past.std() or 1e-9
        math.erfc(abs(values[i] - past.mean()) / deviation / math.sqrt(2))
    return "rolling Gaussian in numpy", cpu() - began, len(values)


def forest(path):
    """Isolation forest: fitted on 70 %, all rows scored."""
    import numpy as np
    from sklearn.ensemble import IsolationForest
    with gzip.open(path, "rt") as h:
        x = np.genfromtxt(h, delimiter=",", skip_header=1)[:10_000, :-1]
    began = cpu()
    model = IsolationForest(n_estimators=100, random_state=1).fit(x[: int(0.7 * len(x))])
    model.score_samples(x)
    return "isolation forest of scikit-learn", cpu() - began, len(x)


def alerts(path):
    """Read, six volume features per host and 5 minutes, scaler and isolation forest."""
    import pandas as pd
    from sklearn.ensemble import IsolationForest
    from sklearn.preprocessing import StandardScaler
    began = cpu()
    with gzip.open(path, "rt") as h:
        docs = [json.loads(line) for line in h]
    flat = pd.DataFrame({"t": [d["@timestamp"] for d in docs], "host": [d["host"]["name"] for d in docs],
                         "rule": [d["rule"]["id"] for d in docs], "module": [d["event"]["module"] for d in docs]})
    flat["w"] = pd.to_datetime(flat["t"], format="ISO8601").dt.floor("5min")
    group = flat.groupby(["host", "w"])
    x = pd.DataFrame({"n": group.size(), "rules": group["rule"].nunique(), "modules": group["module"].nunique()})
    for module in ("wazuh", "suricata", "aminer"):
        x[module] = flat[flat["module"] == module].groupby(["host", "w"]).size().reindex(x.index).fillna(0)
    scaled = StandardScaler().fit_transform(x)
    IsolationForest(n_estimators=100, random_state=1).fit(scaled).score_samples(scaled)
    return "pandas and isolation forest", cpu() - began, len(docs)


def weblog(script, path):
    began = cpu()
    subprocess.run([sys.executable, script, path], check=True, capture_output=True)
    with open(path, errors="replace") as h:
        return "pandas and isolation forest", cpu() - began, sum(1 for _ in h)


if __name__ == "__main__":
    what, seconds, count = {"gaussian": gaussian, "forest": forest, "alerts": alerts, "weblog": weblog}[sys.argv[1]](*sys.argv[2:])
    print(f"{what} {1e6 * seconds / count:.1f}")
