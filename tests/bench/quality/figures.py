"""Ranking figures with their uncertainty: bootstrap intervals (95 %) over files, windows, tables or seeds. Standard library only."""
import random

ROUNDS = 400


def interval(values):
    """The middle 95 % of bootstrap values."""
    v = sorted(x for x in values if x == x)
    return (v[int(0.025 * len(v))], v[min(len(v) - 1, int(0.975 * len(v)))]) if v else (float("nan"), float("nan"))


def mean(values):
    values = [x for x in values if x == x]
    return sum(values) / len(values) if values else float("nan")


def of_means(units, rounds=ROUNDS, seed=1):
    """Interval of the mean of `units`, drawn again and again with replacement."""
    if len(units) < 2:
        return float("nan"), float("nan")
    r = random.Random(seed)
    return interval([mean(r.choices(units, k=len(units))) for _ in range(rounds)])


def ranked(labels, scores):
    """Indices by falling score with the places at which a run of equal scores ends."""
    order = sorted(range(len(scores)), key=lambda i: -scores[i])
    return order, [k + 1 == len(order) or scores[order[k + 1]] != scores[order[k]] for k in range(len(order))]


def weighted_ap(labels, order, ends, weight):
    """Average precision (equal scores are one step) of rows that count `weight` times."""
    total = sum(w for y, w in zip(labels, weight) if y)
    if not total:
        return float("nan")
    hits = false = area = before = 0.0
    for i, is_end in zip(order, ends):
        if labels[i]:
            hits += weight[i]
        else:
            false += weight[i]
        if is_end and hits > before:
            area += (hits - before) / total * hits / (hits + false)
            before = hits
    return area


def times_drawn(n, r):
    """How often each of n rows is drawn in a bootstrap sample."""
    weight = [0] * n
    for i in r.choices(range(n), k=n):
        weight[i] += 1
    return weight


def of_windows(groups, threshold=None, rounds=ROUNDS, seed=1):
    """Intervals over windows, drawn within each group (scenario, log): average precision, and precision and recall at a threshold;
    each is the mean over groups. `groups`: list of (labels, scores)."""
    r = random.Random(seed)
    prepared = [(y, s, *ranked(y, s)) for y, s in groups]
    ap, precision, recall = [], [], []
    for _ in range(rounds):
        a, p, c = [], [], []
        for y, s, order, ends in prepared:
            w = times_drawn(len(y), r)
            a.append(weighted_ap(y, order, ends, w))
            if threshold is not None:
                flagged = sum(x for x, v in zip(w, s) if v >= threshold)
                hit = sum(x for x, v, t in zip(w, s, y) if t and v >= threshold)
                true = sum(x for x, t in zip(w, y) if t)
                p.append(hit / flagged if flagged else float("nan"))
                c.append(hit / true if true else float("nan"))
        ap.append(mean(a))
        precision.append(mean(p))
        recall.append(mean(c))
    return interval(ap), interval(precision), interval(recall)
