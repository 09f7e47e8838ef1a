//! Looks at every reported row of a job: do the contributions sum to the surprise of the detector that spoke, does the score fall
//! without the strongest of them, is what is called typical never what was seen.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use elkhound::model::anomaly::{OTHER_ENTITIES, SEVERAL_FEATURES};
use elkhound::model::time::{DAY_MS, iso};
use elkhound::model::{Anomaly, Bucket, Contributor, FeatureSpec, Job, ValueCounts};
use elkhound::pipeline::models::Models;
use elkhound::score::Scores;

/// Detectors for which an absent value is a value: the middle of all. There the strongest is removed by going back to what is typical; where it
/// stands for several features, by all of them doing so.
const IN_FULL_ROWS: [&str; 4] = ["table", "neighbours", "reconstruction", "isolation_forest"];

/// Buckets that are played again to take back what a detector remembers.
const REMEMBERED: usize = 24;

/// A bucket as it came, and the models before it.
struct Past {
    snapshot: Vec<u8>,
    bucket: Bucket,
    is_learning: bool,
}

/// What was seen of a job at work whose every reported row is looked at.
#[derive(Default)]
pub struct Looked {
    /// What each entity showed in the last buckets in which nothing was said about it.
    usual: BTreeMap<String, VecDeque<Vec<f64>>>,
    /// The last buckets, each with what had been learned before it.
    past: VecDeque<Past>,
    /// Rows by the detector that spoke.
    pub rows: BTreeMap<String, usize>,
    /// Rows whose score falls when the strongest is left out, but not when it alone is as usual: only with all that the sentence names.
    pub together: usize,
    /// Of those the rows whose score does not fall then either: what is typical of one feature need not fit all the others, and what has gone
    /// on for longer than is played again is not taken back.
    pub stubborn: usize,
    /// For how many features the strongest contributor stands, where it is for several.
    pub several: Vec<usize>,
    /// Rows with a rule box.
    pub boxes: usize,
    /// What does not hold.
    pub wrong: Vec<String>,
}

impl Looked {
    /// A bucket was judged by these models, which have not learned it yet.
    pub fn judged(&mut self, models: &Models, bucket: &Bucket, scores: &Scores, anomalies: &[Anomaly], is_learning: bool) {
        if models.job().detectors.iter().any(|d| d.kind == "robust") {
            self.past.push_back(Past { snapshot: models.snapshot(), bucket: bucket.clone(), is_learning });
            if self.past.len() > REMEMBERED {
                self.past.pop_front();
            }
        }
        if !anomalies.is_empty() {
            let claimed = models.claim(bucket);
            anomalies.iter().for_each(|a| self.look(models, bucket, &claimed, scores, a));
        }
        for row in (0..bucket.rows()).filter(|&r| !bucket.imputed[r] && anomalies.iter().all(|a| a.entity_key != bucket.keys.text(r))) {
            let usual = self.usual.entry(bucket.keys.text(row).into_owned()).or_default();
            usual.push_back(bucket.columns.iter().map(|c| c[row]).collect());
            if usual.len() > REMEMBERED {
                usual.pop_front();
            }
        }
    }

    fn look(&mut self, models: &Models, bucket: &Bucket, claimed: &[Vec<f64>], scores: &Scores, a: &Anomaly) {
        *self.rows.entry(a.detector.clone()).or_default() += 1;
        let job = models.job();
        let row = (0..bucket.rows()).find(|&r| bucket.keys.text(r) == a.entity_key).unwrap();
        let mut wrong = Vec::new();
        let said: f64 = a.contributors.iter().map(|c| c.surprise).sum();
        let detector = scores.loudest(row).unwrap().0;
        let spoken = claimed[detector][row];
        if (said - spoken).abs() > 1e-6 * spoken.max(1.0) {
            wrong.push(format!("contributions sum to {said}, the surprise is {spoken}"));
        }
        for c in a.contributors.iter().filter(|c| c.actual == c.typical) {
            wrong.push(format!("{}: typical is the actual, {}", c.feature, c.actual));
        }
        if !a.rule_box.is_empty() {
            self.boxes += 1;
            wrong.extend(rule_is_wrong(job, bucket, row, &a.rule_box));
        }
        wrong.extend(sentence_is_wrong(job, a));
        if a.contributors.first().is_some_and(|c| c.feature == SEVERAL_FEATURES) {
            self.several.push(strongest(&a.contributors).len());
        }
        let (now, top) = (scores.score(row), a.contributors.first().map_or(f64::NAN, |c| c.surprise));
        // What moves together falls together: the sentence names the second where it adds a quarter of the first.
        let named = a.contributors.iter().filter(|c| c.surprise >= 0.25 * top).count();
        // A row that is judged by itself needs no other rows.
        let (by_itself, row_there) = (alone(bucket, row), 0);
        let (bucket, row) = if score(models, &by_itself, row_there) == now { (&by_itself, row_there) } else { (bucket, row) };
        let alone = if a.contributors.is_empty() { now } else { self.score_without(models, bucket, row, strongest(&a.contributors)) };
        let without = match a.contributors.first() {
            Some(c) if !IN_FULL_ROWS.contains(&a.detector.as_str()) => self.score_left_out(models, bucket, row, c),
            _ => alone,
        };
        if without.is_nan() || without >= now {
            wrong.push(format!("without the strongest the score is {without}, not lower; {:?}", a.contributors.first()));
        }
        if alone >= now {
            self.together += 1;
            let then = self.score_without_named(models, &a.entity_key, a.contributors.get(..named).unwrap_or_default());
            // No number is no lower one.
            self.stubborn += usize::from(then.is_nan() || then >= now);
        }
        let of = format!("{} {} of {} by {}, score {}", iso(a.start_ms), a.entity_key, job.id, a.detector, a.score);
        self.wrong.extend(
            wrong.into_iter().map(|w| format!("{of}: {w}; {:?}", a.contributors.iter().map(|c| (&c.feature, c.surprise)).collect::<Vec<_>>())),
        );
    }

    /// Score of a row that does not show one of its features; without a value, or what others show, where that is it.
    fn score_left_out(&self, models: &Models, bucket: &Bucket, row: usize, c: &Contributor) -> f64 {
        match models.job().features.iter().position(|f| f.name == c.feature) {
            Some(f) if !bucket.imputed[row] => {
                let mut less = bucket.clone();
                less.columns[f][row] = f64::NAN;
                score(models, &less, row)
            }
            _ => self.score_without(models, bucket, row, std::slice::from_ref(c)),
        }
    }

    /// Score of a row when the strongest contributor is taken back to what is typical: the features that it stands for.
    fn score_without(&self, models: &Models, bucket: &Bucket, row: usize, strongest: &[Contributor]) -> f64 {
        let job = models.job();
        if strongest.iter().any(|c| c.feature == OTHER_ENTITIES) {
            // What others showed before fades too: the same row by itself, a day later.
            let by_itself = alone(bucket, row);
            return score(models, &Bucket { start_ms: by_itself.start_ms + DAY_MS, ..by_itself }, 0);
        }
        if strongest.iter().any(is_remembered) {
            return self.score_as_usual(job, &bucket.keys.text(row), REMEMBERED, &with_companions(job, strongest));
        }
        if bucket.imputed[row] {
            // Silence is taken back by what the entity shows when it is there.
            return self.score_as_usual(job, &bucket.keys.text(row), 1, &all_features(job));
        }
        let mut less = bucket.clone();
        strongest.iter().for_each(|c| take_back(job, &mut less, row, c));
        score(models, &less, row)
    }

    /// Score of an entity's last bucket when all that the sentence names is as it usually is there, and everything where it is
    /// the relation of several buckets that was surprising.
    fn score_without_named(&self, models: &Models, entity: &str, named: &[Contributor]) -> f64 {
        match named.iter().any(is_remembered) {
            true => self.score_as_usual(models.job(), entity, REMEMBERED, &all_features(models.job())),
            false => self.score_as_usual(models.job(), entity, 1, &with_companions(models.job(), named)),
        }
    }

    /// Score of an entity in the last bucket when these features are as they were in buckets in which nothing was said about it, in
    /// so many of the last buckets: these are learned anew.
    fn score_as_usual(&self, job: &Arc<Job>, entity: &str, buckets: usize, features: &[usize]) -> f64 {
        let past = self.past.iter().skip(self.past.len().saturating_sub(buckets));
        let mut models = Models::new(job.clone()).unwrap();
        let mut usual = self.usual.get(entity).into_iter().flatten().rev().cycle();
        let mut last = f64::NAN;
        for (i, past) in past.enumerate() {
            if i == 0 {
                models.restore(&past.snapshot).unwrap();
            }
            let mut bucket = models.fill_silent(past.bucket.clone());
            let row = (0..bucket.rows()).find(|&r| bucket.keys.text(r) == entity);
            if let (Some(row), Some(usual)) = (row, usual.next()) {
                (bucket.imputed[row], bucket.doc_counts[row]) = (false, bucket.doc_counts[row].max(1));
                features.iter().for_each(|&f| bucket.columns[f][row] = usual[f]);
            }
            let claimed = models.claim(&bucket);
            let scores = models.score(&bucket, &claimed);
            last = row.map_or(f64::NAN, |r| scores.score(r));
            let graded = if past.is_learning { Vec::new() } else { models.grade(&bucket, &scores) };
            let anomalies = models.decide(graded);
            models.learn(&bucket, &claimed, &scores, &anomalies);
        }
        last
    }
}

/// The strongest contributor; the features it stands for, where these are several, as far as they are told.
fn strongest(contributors: &[Contributor]) -> &[Contributor] {
    match contributors.split_first() {
        Some((several, each)) if several.feature == SEVERAL_FEATURES => {
            &each[..each.iter().position(|c| c.feature == "others").unwrap_or(each.len())]
        }
        Some((first, _)) => std::slice::from_ref(first),
        None => &[],
    }
}

fn score(models: &Models, bucket: &Bucket, row: usize) -> f64 {
    models.score(bucket, &models.claim(bucket)).score(row)
}

fn all_features(job: &Job) -> Vec<usize> {
    (0..job.features.len()).collect()
}

/// Features of contributors, with those that go along with them.
fn with_companions(job: &Job, named: &[Contributor]) -> Vec<usize> {
    let is_named = |f: usize| named.iter().any(|c| c.feature == job.features[f].name);
    let all = all_features(job);
    all.iter().copied().filter(|&g| is_named(g) || all.iter().any(|&f| is_named(f) && goes_along(job, f, g))).collect()
}

/// Takes a contributor back to its typical value as documents could: a sum goes with its mean, and sums, counts and rates with
/// the number of documents; a row that no documents can make would be surprising for that alone. What is held against the
/// other features moves alone: it is their relation that was broken.
fn take_back(job: &Job, b: &mut Bucket, row: usize, c: &Contributor) {
    let Some(f) = job.features.iter().position(|f| f.name == c.feature) else {
        let (feature, value) = c.feature.split_once('=').unwrap_or_else(|| panic!("{} is no feature", c.feature));
        let f = job.value_features.iter().position(|f| f.name == feature).unwrap();
        b.values[f] = usual_instead(&b.values[f], b.rows(), row, value);
        return;
    };
    let before = b.columns[f][row];
    // What goes on for too long without a change is taken back by a change.
    b.columns[f][row] = if c.typical.is_nan() { before * 1.2 + 1.0 } else { c.typical };
    let factor = b.columns[f][row] / before;
    if c.reference.starts_with("expected ") || !factor.is_finite() {
        return;
    }
    for g in (0..job.features.len()).filter(|&g| goes_along(job, f, g)) {
        b.columns[g][row] *= factor;
    }
}

/// True when documents that change one feature change the other in proportion.
fn goes_along(job: &Job, f: usize, g: usize) -> bool {
    let (one, other) = (&job.features[f], &job.features[g]);
    let is_size = |s: &FeatureSpec| matches!(s.kind.as_str(), "sum" | "mean");
    let is_number = |s: &FeatureSpec| matches!(s.kind.as_str(), "count" | "rate") && s.filter.is_none();
    f != g
        && if is_number(one) {
            is_number(other) || other.kind == "sum"
        } else {
            (is_size(one) && is_size(other) && one.field == other.field) || (one.filter.is_some() && one.filter == other.filter)
        }
}

/// The values of a row with those of one name replaced by the value that most rows show, or dropped where it is that one.
fn usual_instead(counts: &ValueCounts, rows: usize, row: usize, value: &str) -> ValueCounts {
    // A path stands for everything below its first segment.
    let is_it = |name: &str| name == value || (name.starts_with('/') && name.split(['/', '?']).nth(1) == value.split('/').nth(1));
    let mut shown: BTreeMap<u64, usize> = BTreeMap::new();
    (0..rows).filter(|&r| r != row).flat_map(|r| counts.row(r)).for_each(|(h, _)| *shown.entry(h).or_default() += 1);
    let usual = shown.into_iter().filter(|(h, _)| !is_it(&counts.name(*h))).max_by_key(|&(h, n)| (n, h)).map(|(h, _)| h);
    let (odd, mut kept): (Vec<_>, Vec<_>) = counts.row(row).partition(|(h, _)| is_it(&counts.name(*h)));
    let freed: u64 = odd.iter().map(|(_, n)| n).sum();
    if let Some(usual) = usual {
        match kept.iter_mut().find(|(h, _)| *h == usual) {
            Some((_, n)) => *n += freed,
            None => kept.push((usual, freed)),
        }
    }
    let all = (0..rows).map(|r| if r == row { std::mem::take(&mut kept) } else { counts.row(r).collect() }).collect();
    ValueCounts::from_rows(all, counts.names.clone(), counts.other.clone())
}

/// What is wrong with a sentence, if anything: features have their titles, and of who is silent it says since when.
fn sentence_is_wrong(job: &Job, a: &Anomaly) -> Option<String> {
    let numbers = job.features.iter().map(|f| (f.name.replace('_', " "), f));
    let values = job.value_features.iter().map(|f| (format!(" x {} ", f.name.replace('_', " ")), f));
    let mut untitled = numbers.chain(values).filter(|(name, f)| !f.title.is_empty() && !f.title.contains(name.trim_start_matches(" x ").trim()));
    let name = untitled.find(|(name, _)| a.reason.contains(name));
    let is_unsaid = a.imputed && !a.reason.contains(&format!(": no {} since 20", job.labels.document_noun));
    (name.is_some() || is_unsaid).then(|| format!("the sentence is `{}`", a.reason))
}

/// What is wrong with a rule box, if anything: it has to hold for the row, and for as many rows as it says.
fn rule_is_wrong(job: &Job, bucket: &Bucket, row: usize, rule: &str) -> Option<String> {
    let (conditions, share) = rule.strip_suffix(" rows)").and_then(|r| r.rsplit_once(" (")).unwrap();
    let value = |name: &str, r: usize| match job.features.iter().position(|f| f.name == name) {
        Some(f) => bucket.columns[f][r],
        None => {
            let (feature, value) = name.split_once('=').unwrap();
            let counts = &bucket.values[job.value_features.iter().position(|f| f.name == feature).unwrap()];
            let is_meant = |name: &str| name == value || (value.ends_with('/') && value.len() > 1 && name.starts_with(value));
            counts.row(r).filter(|(h, _)| is_meant(&counts.name(*h))).map(|(_, n)| n as f64).sum()
        }
    };
    let holds = |condition: &str, r: usize| {
        let [threshold, sign, name] = condition.rsplitn(3, ' ').collect::<Vec<_>>().try_into().unwrap();
        let (x, t): (f64, f64) = (value(name, r), threshold.parse().unwrap());
        match sign {
            ">" => x > t,
            "<" => x < t,
            ">=" => x >= t,
            _ => x <= t,
        }
    };
    let within = |r: usize| conditions.split(" and ").all(|c| holds(c, r));
    let really = format!("{} of {}", (0..bucket.rows()).filter(|&r| within(r)).count(), bucket.rows());
    (!within(row) || really != share).then(|| format!("the rule box `{rule}` holds for {really}, for the row: {}", within(row)))
}

/// True for a contributor that is about the last buckets together.
fn is_remembered(c: &Contributor) -> bool {
    c.reference.ends_with("mean of several buckets")
}

/// The row without the others.
fn alone(bucket: &Bucket, row: usize) -> Bucket {
    let mut b = Bucket::empty(bucket.start_ms, bucket.span_ms, 0, 0);
    b.keys.push(bucket.keys.get(row));
    b.doc_counts = vec![bucket.doc_counts[row]];
    b.imputed = vec![bucket.imputed[row]];
    b.columns = bucket.columns.iter().map(|c| vec![c[row]]).collect();
    let one = |v: &ValueCounts| ValueCounts::from_rows(vec![v.row(row).collect()], v.names.clone(), vec![v.other[row]]);
    b.values = bucket.values.iter().map(one).collect();
    b
}
