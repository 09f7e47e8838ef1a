use super::*;
use crate::detectors::{DetectorPart, Options, isolation_forest, neighbours, reconstruction, table};
use crate::math::chance::Chance;
use crate::model::{Bucket, EntityTable, NO_SLOT};

const ALL: [DetectorPart; 4] = [isolation_forest::PART, neighbours::PART, reconstruction::PART, table::PART];

fn job() -> Job {
    let feature = |name: &str| FeatureSpec { name: name.into(), title: format!("the {name}"), ..FeatureSpec::default() };
    Job { features: ["requests", "errors", "bytes"].map(feature).into(), bucket_span_ms: 60_000, ..Job::default() }
}

fn build(part: &DetectorPart, options: &str) -> Result<Box<dyn Detector>, String> {
    let options: Options = serde_json::from_str(options).unwrap();
    (part.build)(&job(), &options)
}

/// A bucket of ordinary rows (errors and bytes follow requests), and one that does not when asked for.
fn bucket(i: i64, rows: usize, odd: Option<[f64; 3]>) -> Bucket {
    let mut chance = Chance::new(i.unsigned_abs(), 5);
    let mut b = Bucket::empty(i * 60_000, 60_000, 3, 0);
    for r in 0..rows + usize::from(odd.is_some()) {
        let requests = (20.0 + 5.0 * chance.normal()).max(1.0);
        let usual = [requests, 0.1 * requests * (1.0 + 0.1 * chance.normal()), 1000.0 * requests * (1.0 + 0.05 * chance.normal())];
        let row = if r == rows { odd.unwrap_or(usual) } else { usual };
        b.keys.push(format!("10.0.0.{r}").as_bytes());
        b.doc_counts.push(1);
        b.imputed.push(false);
        b.columns.iter_mut().zip(row).for_each(|(c, x)| c.push(x));
    }
    b
}

fn with_view<T>(b: &Bucket, f: impl FnOnce(&BucketView<'_>) -> T) -> T {
    let slots = vec![NO_SLOT; b.rows()];
    let table = EntityTable::new(1);
    f(&BucketView { bucket: b, slots: &slots, table: &table, hour_of_week: 0 })
}

fn trained(part: &DetectorPart) -> Box<dyn Detector> {
    let mut detector = build(part, "{}").unwrap();
    for i in 0..20 {
        with_view(&bucket(i, 40, None), |v| detector.learn(v, &[1.0; 40]));
    }
    detector
}

/// As many requests as ever, but the bytes of a hundred times as many.
const ODD: [f64; 3] = [20.0, 2.0, 2_000_000.0];

#[test]
fn an_odd_row_stands_out_from_the_first_bucket_on_and_after_learning() {
    for part in ALL {
        for detector in [build(&part, "{}").unwrap(), trained(&part)] {
            let scores = with_view(&bucket(100, 60, Some(ODD)), |v| detector.score(v));
            let best = scores.iter().take(60).copied().fold(0.0, f64::max);
            assert!(scores[60] >= best && scores[60] > 1.0, "{}: {} against {best}", part.part.name, scores[60]);
        }
    }
}

#[test]
fn contributions_sum_to_the_surprise_and_name_the_feature() {
    for part in ALL {
        let detector = trained(&part);
        let b = bucket(100, 60, Some(ODD));
        let (scores, why) = with_view(&b, |v| (detector.score(v), detector.explain(v, 60)));
        assert!((why.iter().map(|c| c.surprise).sum::<f64>() - scores[60]).abs() < 1e-9, "{}", part.part.name);
        assert_eq!(why[0].feature, "bytes", "{}: {why:?}", part.part.name);
        let of_nearest = matches!(part.part.name, "table" | "neighbours");
        assert_eq!((why[0].actual, why[0].reference.as_str()), (2_000_000.0, if of_nearest { "nearest past rows" } else { "past rows" }));
        assert!((5_000.0..60_000.0).contains(&why[0].typical), "{}: {}", part.part.name, why[0].typical);
        assert!(why[0].lower < why[0].upper);
        // Putting it back to typical makes the row less strange.
        let mended = bucket(100, 60, Some([ODD[0], ODD[1], why[0].typical]));
        assert!(with_view(&mended, |v| detector.score(v))[60] < scores[60]);
    }
}

#[test]
fn a_snapshot_brings_back_the_same_scores() {
    for part in ALL {
        let detector = trained(&part);
        let mut other = build(&part, "{}").unwrap();
        other.restore(&detector.snapshot()).unwrap();
        let b = bucket(50, 30, Some(ODD));
        assert_eq!(with_view(&b, |v| detector.score(v)), with_view(&b, |v| other.score(v)), "{}", part.part.name);
        assert_eq!(detector.snapshot(), other.snapshot());
        assert!(other.restore(&[9, 9]).is_err() && other.restore(&[]).is_err());
    }
}

#[test]
fn rows_judged_abnormal_stay_out_of_the_history() {
    for part in ALL {
        let mut detector = trained(&part);
        let before = with_view(&bucket(100, 40, Some(ODD)), |v| detector.score(v))[40];
        for i in 20..40 {
            let mut weights = [1.0; 41];
            weights[40] = 0.0;
            with_view(&bucket(i, 40, Some(ODD)), |v| detector.learn(v, &weights));
        }
        let after = with_view(&bucket(100, 40, Some(ODD)), |v| detector.score(v))[40];
        assert!(after > before / 2.0, "{}: {before} {after}", part.part.name);
    }
}

#[test]
fn empty_absent_imputed_and_infinite_rows_are_defined() {
    for part in ALL {
        let mut detector = build(&part, "{}").unwrap();
        let mut b = bucket(1, 3, Some([f64::NAN; 3]));
        b.columns[0][0] = f64::INFINITY;
        b.columns[1][1] = -1e308;
        b.imputed[2] = true;
        for bucket in [Bucket::empty(0, 60_000, 3, 0), b.clone(), b] {
            let scores = with_view(&bucket, |v| detector.score(v));
            assert_eq!(scores.len(), bucket.rows());
            assert!(scores.iter().all(|s| s.is_finite() && *s >= 0.0), "{}: {scores:?}", part.part.name);
            assert!(bucket.rows() == 0 || scores[2] == 0.0);
            with_view(&bucket, |v| {
                (0..bucket.rows()).for_each(|r| assert!(detector.explain(v, r).iter().all(|c| c.surprise.is_finite())));
                detector.learn(v, &vec![1.0; bucket.rows()]);
            });
        }
    }
}

#[test]
fn wrong_options_are_refused_in_words() {
    for part in ALL {
        assert!(build(&part, r#"{"histroy_rows": 5}"#).is_err_and(|e| e.contains("histroy_rows")));
        assert!(build(&part, r#"{"history_rows": 1}"#).is_err_and(|e| e.contains("history_rows")));
        assert!((part.build)(&Job::default(), &Options::new()).is_err());
    }
}

/// Surprise is the largest distance of any feature to the only known row, so that features which are equally far off lower it together only.
struct Farthest {
    known: Vec<f64>,
    typical: Vec<f64>,
}

impl RowModel for Farthest {
    type Settings = ();

    fn fit(rows: &Rows, _settings: &(), _seed: u64) -> (Self, Vec<f64>) {
        (Self { known: rows.row(0).to_vec(), typical: rows.row(0).to_vec() }, vec![0.0; rows.len()])
    }

    fn score(&self, rows: &Rows) -> Vec<f64> {
        rows.iter().map(|row| row.iter().zip(&self.known).map(|(x, k)| (x - k).abs()).fold(0.0, f64::max)).collect()
    }

    fn typical(&self, _row: &[f64]) -> Vec<f64> {
        self.typical.clone()
    }
}

#[test]
fn features_that_lower_the_surprise_only_together_are_told_as_one() {
    let known = Rows::from_values(4, vec![0.0; 8]);
    // Where the model's own idea of typical helps nobody, the least strange known row does.
    for typical in [vec![0.0; 4], vec![9.0; 4]] {
        let model = Farthest { known: vec![0.0; 4], typical };
        let why = explain::why(&model, &[5.0, 1.0, -5.0, 0.0], 5.0, &known);
        let mut members: Vec<usize> = why.parts.iter().map(|p| p.0).collect();
        members.sort_unstable();
        assert!(why.only_together && members == [0, 2] && [0, 2].iter().all(|&f| why.typical[f] == 0.0), "{:?} {:?}", why.parts, why.typical);
        let single = explain::why(&model, &[5.0, 1.0, 0.0, 0.0], 5.0, &known);
        assert!(!single.only_together && single.parts[0] == (0, 5.0), "{:?}", single.parts);
    }
    // One feature alone, which only the value of a known row shows, is told as one.
    let known = Rows::from_values(2, [[0.0, 0.0]].into_iter().chain([[0.0, 9.0]; 31]).flatten().collect());
    let model = Farthest { known: vec![0.0; 2], typical: vec![9.0; 2] };
    let why = explain::why(&model, &[0.0, 9.0], 9.0, &known);
    assert!(!why.only_together && why.parts == [(1, 9.0)] && why.typical[1] == 0.0, "{:?} {:?}", why.parts, why.typical);
    let nothing_is_less = Farthest { known: vec![0.0; 2], typical: vec![0.0; 2] };
    let why = explain::why(&nothing_is_less, &[0.0, 0.0], 1.0, &Rows::from_values(2, vec![0.0; 2]));
    assert!(!why.only_together && why.parts.iter().all(|p| p.1 == 0.0), "a row that is as typical as any has no reason: {:?}", why.parts);
}
