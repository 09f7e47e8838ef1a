//! Data that nobody would send on purpose: what comes of it is defined, finite, bounded and counted, for every detector.

use elkhound::detectors;
use elkhound::model::{AlertBudget, Job};
use elkhound::pipeline::models::Models;

use crate::support::world::{MONDAY, Row, World, job};

const HOUR: i64 = 3_600_000;

fn row(entity: &str, numbers: [f64; 2], pages: &[(&str, u64)]) -> Row {
    Row { entity: entity.into(), numbers: numbers.to_vec(), values: vec![pages.iter().map(|(v, n)| ((*v).to_owned(), *n)).collect()] }
}

/// A job with this detector alone that reports everything it can.
fn eager(detector: &str) -> World {
    World::new(Job { min_score: 0.0, alert_budget: AlertBudget { per_day: 1e9 }, ..job(&["requests", "bytes"], &["pages"], &[detector], HOUR) })
}

fn plain(detector: &str) -> World {
    World::new(job(&["requests", "bytes"], &["pages"], &[detector], HOUR))
}

/// Everything of a step that is a number is one.
fn check(detector: &str, what: &str, world: &mut World, rows: Vec<Row>) -> usize {
    let step = world.step(rows, false);
    assert!(step.scores.surprise.iter().all(|s| s.is_finite() && *s >= 0.0), "{detector}, {what}: {:?}", step.scores);
    for a in &step.anomalies {
        assert!(a.score.is_finite() && a.confidence.is_finite() && !a.message.is_empty(), "{detector}, {what}: {a:?}");
        assert!(a.contributors.iter().all(|c| c.surprise.is_finite()), "{detector}, {what}: {a:?}");
    }
    assert!(step.run.flagged_share.is_none_or(f64::is_finite) && step.run.feature_shift.is_none_or(f64::is_finite), "{detector}, {what}");
    step.anomalies.len()
}

#[test]
fn what_never_changes_and_what_is_absent_is_no_anomaly() {
    for detector in detectors::names() {
        for (what, numbers, pages) in
            [("constant", [7.0, 0.0], &[("/", 3)][..]), ("all missing", [f64::NAN, f64::NAN], &[]), ("zeros", [0.0, 0.0], &[("/", 1)])]
        {
            let mut world = plain(detector);
            let found: usize = (0..100).map(|_| check(detector, what, &mut world, vec![row("a", numbers, pages), row("b", numbers, pages)])).sum();
            assert_eq!(found, 0, "{detector}, {what}");
        }
        let mut world = plain(detector);
        assert_eq!(check(detector, "one point", &mut world, vec![row("a", [5.0, 6.0], &[("/", 1)])]), 0, "{detector}, one point");
        assert_eq!(check(detector, "nothing at all", &mut world, Vec::new()), 0, "{detector}, nothing at all");
    }
}

#[test]
fn numbers_beyond_all_measure_leave_finite_scores_behind() {
    const ODD: [f64; 9] = [f64::INFINITY, f64::NEG_INFINITY, 1e308, -1e308, -5.0, f64::NAN, f64::MIN_POSITIVE, -0.0, 1e-308];
    for detector in detectors::names() {
        let mut world = eager(detector);
        for i in 0..150usize {
            let odd = |k: usize| if (i + k).is_multiple_of(5) { ODD[(i / 5 + k) % ODD.len()] } else { 10.0 + ((i * 7 + k) % 5) as f64 };
            let rows = (0..6).map(|e| row(&format!("e{e}"), [odd(e), odd(e + 3)], &[("/", u64::MAX / 4), ("/x", 1 + i as u64 % 3)])).collect();
            check(detector, "odd numbers", &mut world, rows);
        }
        let bytes = world.models.snapshot();
        assert!(Models::new(world.job.clone()).unwrap().restore(&bytes).is_ok(), "{detector}");
    }
}

#[test]
fn time_may_stand_still_or_go_backwards_and_jump() {
    for detector in detectors::names() {
        let mut world = eager(detector);
        for i in 0..120i64 {
            world.start_ms = match i % 7 {
                3 => MONDAY,
                5 => MONDAY - 40 * 24 * HOUR,
                6 => MONDAY + 4_000 * 24 * HOUR,
                _ => MONDAY + (i / 2) * HOUR,
            };
            let rows = (0..4).map(|e| row(&format!("e{e}"), [10.0 + ((i * 3 + e) % 4) as f64, 5.0], &[("/", 1 + (i % 3) as u64)])).collect();
            check(detector, "time", &mut world, rows);
        }
        for start in [i64::MIN / 4, 0, i64::MAX / 4] {
            world.start_ms = start;
            check(detector, "far away", &mut world, vec![row("e1", [1.0, 2.0], &[("/", 1)])]);
        }
    }
}

#[test]
fn ten_thousand_features_are_judged_and_what_has_no_room_is_counted() {
    let names: Vec<String> = (0..10_000).map(|i| format!("f{i}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    for detector in ["robust", "series", "zscore", "isolation_forest", "table", "silence"] {
        let mut world = World::new(job(&names, &[], &[detector], HOUR));
        let mut refused = 0;
        for i in 0..4usize {
            let numbers = |e: usize| (0..10_000).map(|f| ((f * 31 + i * 17 + e * 7) % 100) as f64).collect();
            let rows = (0..3).map(|e| Row { entity: format!("e{e}"), numbers: numbers(e), values: Vec::new() }).collect();
            let step = world.step(rows, false);
            assert!(step.scores.surprise.iter().all(|s| s.is_finite()), "{detector}");
            refused += step.problems.count("metrics_without_model");
        }
        assert_eq!(refused > 0, detector == "series", "{detector}: {refused} metrics without a model");
    }
}

#[test]
fn entities_without_end_take_bounded_memory_and_are_counted() {
    let job = Job { max_entities: 100, ..job(&["requests", "bytes"], &["pages"], &["robust", "silence", "count_surprise", "population"], HOUR) };
    let (mut world, mut sizes) = (World::new(job), Vec::new());
    for i in 0..60u64 {
        let rows = (0..80).map(|e| row(&format!("client{}", i * 80 + e), [1.0, 2.0], &[("/", 1)])).collect();
        world.step(rows, false);
        assert!(world.models.entities() <= 180, "{}", world.models.entities());
        sizes.push(world.models.snapshot().len());
    }
    let evicted = world.models.take_evicted();
    assert!((4_500..=4_800).contains(&evicted), "{evicted} of 4,800 entities were evicted");
    assert!(sizes[59] < 2 * sizes[20], "{} bytes, and {} later", sizes[20], sizes[59]);
}
