use super::*;
use crate::math::chance::Chance;
use crate::model::FeatureSpec;

fn job(features: usize) -> Job {
    let feature = |i| FeatureSpec { name: format!("f{i}"), ..FeatureSpec::default() };
    Job { features: (0..features).map(feature).collect(), ..Job::default() }
}

fn mistake(features: usize, options: &str) -> String {
    build(&job(features), &serde_json::from_str(options).unwrap()).err().unwrap_or_default()
}

fn cloud(count: usize, width: usize) -> Rows {
    let mut chance = Chance::new(3, 1);
    Rows::from_values(width, (0..count * width).map(|_| chance.normal()).collect())
}

fn settings(backend: Backend, by: By) -> Settings {
    let forest = ForestOptions { directions: usize::MAX, ..ForestOptions::default() };
    Settings { backend, by, contamination: None, forest }
}

#[test]
fn both_backends_and_both_scores_find_the_far_row() {
    for (backend, by) in [(Backend::Own, By::Path), (Backend::Own, By::Both), (Backend::Crate, By::Path)] {
        for width in [1, 3, 16] {
            let (model, own) = ForestModel::fit(&cloud(600, width), &settings(backend, by), 1);
            assert_eq!(own.len(), 600);
            let mut probe = cloud(50, width);
            probe.push(&vec![7.0; width]);
            let scores = model.score(&probe);
            let above = scores.iter().take(50).filter(|s| **s >= scores[50]).count();
            // The crate draws without a seed, and cuts only between the rows it was fitted on: to it a row far outside
            // is as far as the outermost row inside, and which of the two comes out higher is chance.
            let allowed = if backend == Backend::Crate { 3 } else { 0 };
            assert!(above <= allowed, "{backend:?} {by:?} {width}: {above} of 50 at or above {}", scores[50]);
        }
    }
}

#[test]
fn the_contamination_cut_leaves_that_share_of_past_rows() {
    let settings = Settings { contamination: Some(0.02), ..settings(Backend::Own, By::Density) };
    let (_, own) = ForestModel::fit(&cloud(1000, 4), &settings, 1);
    let flagged = own.iter().filter(|s| **s > 0.0).count();
    assert!((18..=21).contains(&flagged), "{flagged} of 1000");
}

#[test]
fn tables_too_small_for_the_crate_say_nothing() {
    for rows in [Rows::new(2), cloud(1, 2)] {
        let (model, _) = ForestModel::fit(&rows, &settings(Backend::Crate, By::Path), 1);
        assert!(model.score(&cloud(3, 2)).iter().all(|s| s.is_finite()));
    }
}

#[test]
fn impossible_options_are_refused() {
    assert!(mistake(2, r#"{"trees": 0}"#).contains("trees"));
    assert!(mistake(2, r#"{"contamination": 0.9}"#).contains("contamination"));
    assert!(mistake(17, r#"{"backend": "extended-isolation-forest", "by": "path"}"#).contains("16"));
    assert!(mistake(2, r#"{"backend": "extended-isolation-forest", "by": "density"}"#).contains("by: path"));
    assert!(mistake(2, r#"{"backend": "other"}"#).contains("other"));
    assert_eq!(mistake(2, r#"{"backend": "extended-isolation-forest", "by": "path", "contamination": 0.01, "extension": 1}"#), "");
}
