use super::super::testing::{Rows, job};
use super::*;
use crate::model::figure::number;

/// A fixed stream of standard normal numbers.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        crate::math::normal::normal_quantile(((self.0 >> 11) as f64 + 0.5) / (1u64 << 53) as f64)
    }
}

const DAY: usize = 288;

fn detector(job: &Job) -> Box<dyn Detector> {
    build(job, &Options::new()).unwrap()
}

/// Requests with a daily wave, and bytes that follow them.
fn traffic(noise: &mut Noise, bucket: usize) -> [f64; 2] {
    let wave = 1.0 + 0.5 * (bucket as f64 / DAY as f64 * std::f64::consts::TAU).sin();
    let requests = (1000.0 * wave * (0.05 * noise.next()).exp()).round();
    [requests, (requests * 700.0 * (0.04 * noise.next()).exp()).round()]
}

fn columns(values: &[f64]) -> Vec<Vec<f64>> {
    values.iter().map(|v| vec![*v]).collect()
}

/// Three quiet days of one entity.
fn trained() -> (Job, Rows, Box<dyn Detector>, Noise) {
    let mut job = job(&["requests", "bytes"]);
    job.features[1].title = "bytes sent".into();
    let (mut rows, mut d, mut noise) = (Rows::new(&job, &["host"]), detector(&job), Noise(7));
    let mut loud = 0;
    for i in 0..3 * DAY {
        let c = columns(&traffic(&mut noise, i));
        loud += usize::from(i > DAY && rows.score(d.as_ref(), &c)[0] > 4.0);
        rows.learn(d.as_mut(), &c);
    }
    assert!(loud <= 1, "{loud} loud rows in two quiet days");
    (job, rows, d, noise)
}

#[test]
fn a_spike_a_broken_relation_and_a_wrong_hour_are_found_and_a_usual_row_is_not() {
    let (_, rows, d, mut noise) = trained();
    let usual = traffic(&mut noise, 0);
    let score = |v: &[f64]| rows.score(d.as_ref(), &columns(v))[0];
    assert!(score(&usual) < 3.0);
    assert!(score(&[usual[0], usual[1] * 4.0]) > 6.0, "bytes spike");
    assert!(score(&[usual[0] * 1.08, usual[1] * 0.75]) > 4.0, "relation: {}", score(&[usual[0] * 1.08, usual[1] * 0.75]));
    assert!(score(&[0.0, 0.0]) > 6.0, "drop");
    // What noon looks like, at midnight.
    assert!(score(&[1500.0, 1500.0 * 700.0]) > 4.0, "season");
    assert_eq!(score(&[f64::NAN, f64::INFINITY]), 0.0);
    assert!(score(&[1e308, -1e308]).is_finite());
}

#[test]
fn explanations_sum_to_the_surprise_and_name_the_feature() {
    let (_, rows, d, mut noise) = trained();
    let [requests, bytes] = traffic(&mut noise, 0);
    let c = columns(&[requests, bytes * 5.0]);
    let why = rows.explain(d.as_ref(), &c, 0);
    let total: f64 = why.iter().map(|w| w.surprise).sum();
    assert!((total - rows.score(d.as_ref(), &c)[0]).abs() < 1e-9);
    assert_eq!(why[0].feature, "bytes");
    assert!((why[0].typical / bytes - 1.0).abs() < 0.2 && why[0].upper < why[0].actual && why[0].lower < why[0].typical, "{why:?}");
    let without = columns(&[requests, f64::NAN]);
    assert!(rows.score(d.as_ref(), &without)[0] < total);
}

#[test]
fn what_does_not_fit_the_other_features_is_told_with_the_one_that_says_so() {
    let (_, rows, d, mut noise) = trained();
    let [requests, bytes] = traffic(&mut noise, 0);
    // Both lie within their own range; bytes do not fit the requests.
    let (requests, bytes) = ((requests * 1.08).round(), bytes * 0.75);
    let why = rows.explain(d.as_ref(), &columns(&[requests, bytes]), 0);
    for c in &why {
        let other = if c.feature == "bytes" { format!("requests {}", number(requests)) } else { format!("bytes sent {}", number(bytes)) };
        assert_eq!(c.reference, format!("expected at {other}"), "{why:?}");
        assert!(c.lower.is_nan() || c.actual < c.lower || c.actual > c.upper, "{why:?}");
    }
    assert!(
        why[0].lower.is_finite() && (why.iter().find(|c| c.feature == "bytes").unwrap().typical / (requests * 700.0) - 1.0).abs() < 0.1,
        "{why:?}"
    );
}

#[test]
fn who_is_silent_or_outside_its_own_past_is_not_explained_by_features_that_are_strange_too() {
    let (_, mut rows, d, mut noise) = trained();
    let [requests, bytes] = traffic(&mut noise, 0);
    let is_own = |why: &[Contributor]| why.len() == 2 && why.iter().all(|c| c.reference == "own history");
    let why = rows.explain(d.as_ref(), &columns(&[(requests * 0.3).round(), bytes * 0.2]), 0);
    assert!(is_own(&why), "{why:?}");
    rows.fall_silent(0);
    let why = rows.explain(d.as_ref(), &columns(&[0.0, 0.0]), 0);
    assert!(is_own(&why), "{why:?}");
    let usual = |feature: &str| why.iter().find(|c| c.feature == feature).unwrap().typical;
    assert!((usual("requests") / requests - 1.0).abs() < 0.2 && (usual("bytes") / bytes - 1.0).abs() < 0.2, "{why:?}");
}

#[test]
fn who_comes_back_after_a_silence_is_as_usual_again() {
    let (_, mut rows, mut d, mut noise) = trained();
    for i in 0..8 {
        rows.fall_silent(0);
        let nothing = columns(&[0.0, 0.0]);
        assert!(i > 0 || rows.score(d.as_ref(), &nothing)[0] > 6.0);
        rows.learn_weighted(d.as_mut(), &nothing, &[0.0]);
    }
    rows.come_back(0);
    for i in 8..48 {
        let c = columns(&traffic(&mut noise, i));
        let s = rows.score(d.as_ref(), &c)[0];
        assert!(s < 3.0, "{} buckets after it came back: {s}, {:?}", i - 8, rows.explain(d.as_ref(), &c, 0));
        rows.learn(d.as_mut(), &c);
    }
}

#[test]
fn without_a_feature_no_row_is_stranger_and_without_the_strongest_it_is_less() {
    let (_, mut rows, mut d, mut noise) = trained();
    let mut strange = 0;
    for i in 0..2 * DAY {
        let [mut requests, mut bytes] = traffic(&mut noise, i);
        // Alone, together, against each other, and for some time.
        match i % 37 {
            5 => bytes *= 3.0,
            11 => (requests, bytes) = (requests * 2.0, bytes * 2.0),
            17 => (requests, bytes) = (requests * 1.3, bytes * 0.7),
            23..27 => requests *= 1.2,
            _ => {}
        }
        let c = columns(&[requests, bytes]);
        let s = rows.score(d.as_ref(), &c)[0];
        let without = |f: usize| {
            let mut less = c.clone();
            less[f][0] = f64::NAN;
            rows.score(d.as_ref(), &less)[0]
        };
        assert!((0..2).all(|f| without(f) <= s), "{i}: {s}, {} without requests, {} without bytes", without(0), without(1));
        if s > 3.0 {
            strange += 1;
            let strongest = usize::from(rows.explain(d.as_ref(), &c, 0)[0].feature == "bytes");
            assert!(without(strongest) < s - 0.05, "{i}: {s}, {} without {strongest}", without(strongest));
        }
        rows.learn(d.as_mut(), &c);
    }
    assert!(strange > 20, "{strange}");
}

#[test]
fn what_is_usual_does_not_move_with_how_far_out_a_value_is() {
    let job = job(&["bytes"]);
    let (mut rows, mut d, mut noise) = (Rows::new(&job, &["feed"]), detector(&job), Noise(3));
    for _ in 0..2 * DAY {
        rows.learn(d.as_mut(), &columns(&[(2e6 * (0.01 * noise.next()).exp()).round()]));
    }
    for far in [0.0, 5e4, 5e7, 5e9] {
        let why = rows.explain(d.as_ref(), &columns(&[far]), 0);
        assert!((why[0].typical / 2e6 - 1.0).abs() < 0.05 && why[0].lower > 1.8e6 && why[0].upper < 2.2e6, "{far}: {why:?}");
    }
}

#[test]
fn alarms_about_a_new_level_end_within_a_day() {
    let (_, mut rows, mut d, mut noise) = trained();
    let mut loud = Vec::new();
    for i in 0..2 * DAY {
        let [requests, bytes] = traffic(&mut noise, i);
        let c = columns(&[requests, bytes * 2.0]);
        let s = rows.score(d.as_ref(), &c)[0];
        loud.push(s >= 6.0);
        rows.learn_weighted(d.as_mut(), &c, &[if s >= 6.0 { 0.0 } else { 1.0 }]);
    }
    assert!(loud[..DAY / 2].iter().filter(|l| **l).count() > DAY / 2 - 5);
    assert!(loud[DAY + 12..].iter().all(|l| !l), "{:?}", loud.iter().rposition(|l| *l));
}

#[test]
fn a_flat_line_is_found_and_a_constant_feature_is_not() {
    let (_, mut rows, mut d, mut noise) = trained();
    let stuck = columns(&traffic(&mut noise, 0));
    let mut best = 0.0f64;
    for _ in 0..6 {
        best = best.max(rows.score(d.as_ref(), &stuck)[0]);
        rows.learn(d.as_mut(), &stuck);
    }
    assert!(best > 6.0, "{best}");
    let job = job(&["limit"]);
    let (mut rows, mut d) = (Rows::new(&job, &["host"]), detector(&job));
    for _ in 0..2 * DAY {
        assert!(rows.score(d.as_ref(), &columns(&[8.0]))[0] < 3.5);
        rows.learn(d.as_mut(), &columns(&[8.0]));
    }
    assert!(rows.score(d.as_ref(), &columns(&[16.0]))[0] > 4.0);
}

#[test]
fn a_snapshot_gives_the_same_future() {
    let (job, mut rows, mut d, mut noise) = trained();
    let mut other = detector(&job);
    other.restore(&d.snapshot()).unwrap();
    for i in 0..50 {
        let c = columns(&traffic(&mut noise, i));
        let score = rows.score(d.as_ref(), &c);
        assert_eq!(score, rows.score(other.as_ref(), &c));
        rows.clone().learn(other.as_mut(), &c);
        rows.learn(d.as_mut(), &c);
        assert_eq!(d.snapshot(), other.snapshot());
    }
    assert!(other.restore(&[9, 1, 2]).is_err() && other.restore(&[]).is_err());
    d.forget(&[0]);
    assert_eq!(rows.score(d.as_ref(), &columns(&[0.0, 0.0])), [0.0]);
}

#[test]
fn many_features_negative_numbers_and_directions_are_handled() {
    let names: Vec<String> = (0..11).map(|i| format!("f{i}")).collect();
    let mut job = job(&names.iter().map(String::as_str).collect::<Vec<_>>());
    job.features[10].direction = Direction::Up;
    let (mut rows, mut d, mut noise) = (Rows::new(&job, &["host"]), detector(&job), Noise(3));
    let mut row = |i: usize| -> Vec<f64> { (0..11).map(|f| if f == 3 && i >= 10 { -5.0 } else { 50.0 } + noise.next()).collect() };
    for i in 0..DAY {
        rows.learn(d.as_mut(), &columns(&row(i)));
    }
    let quiet = row(DAY);
    let with = |f: usize, v: f64| -> f64 {
        let mut values = quiet.clone();
        values[f] = v;
        rows.score(d.as_ref(), &columns(&values))[0]
    };
    assert!(with(3, 40.0) > 4.0 && with(3, -5.0) < 2.0);
    assert!(with(10, 100.0) > 4.0 && with(10, 10.0) < 3.5, "{} {}", with(10, 100.0), with(10, 10.0));
    assert!(with(9, 10.0) > 4.0);
}

#[test]
fn memory_per_entity_stays_within_what_is_said() {
    let (_, _, _, _) = trained();
    let mut panel = Panel::new(&[Direction::Both; 5], 300_000, None);
    panel.prepare(1000, &[&[1.5][..]; 5]);
    assert!(panel.size_bytes() <= 1000 * 1100, "{}", panel.size_bytes());
    let block = panel.season.size_bytes();
    panel.season.allocate();
    assert!(panel.season.size_bytes() - block <= 5 * 350);
}
