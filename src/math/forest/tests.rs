use super::*;

fn cloud(count: usize, width: usize, seed: u64) -> Rows {
    let mut chance = Chance::new(seed, 99);
    Rows::from_values(width, (0..count * width).map(|_| chance.normal()).collect())
}

#[test]
fn average_path_matches_the_published_values() {
    assert_eq!(average_path(1), 0.0);
    assert_eq!(average_path(2), 1.0);
    assert!((average_path(256) - 10.2487).abs() < 1e-3, "{}", average_path(256));
    let (below, above) = (average_path(63), average_path(64));
    assert!(above > below && above - below < 0.05);
}

#[test]
fn far_rows_score_higher_whatever_the_cut() {
    let rows = cloud(1000, 3, 1);
    let probe = Rows::from_values(3, vec![0.0, 0.0, 0.0, 6.0, 6.0, -6.0]);
    for directions in [1, 2, usize::MAX] {
        let forest = Forest::fit(&rows, &ForestOptions { directions, ..Default::default() });
        let scores = forest.score(&probe);
        assert!(scores.path[1] > scores.path[0] + 0.2, "{directions} {scores:?}");
        assert!(scores.sparsity[1] > scores.sparsity[0] + 1.0, "{directions} {scores:?}");
    }
}

#[test]
fn same_seed_same_forest_and_snapshots_score_alike() {
    let rows = cloud(500, 4, 2);
    let options = ForestOptions { directions: 4, seed: 5, ..Default::default() };
    let forest = Forest::fit(&rows, &options);
    assert_eq!(forest, Forest::fit(&rows, &options));
    assert_ne!(forest, Forest::fit(&rows, &ForestOptions { seed: 6, ..options }));
    let bytes = postcard::to_stdvec(&forest).unwrap();
    let back: Forest = postcard::from_bytes(&bytes).unwrap();
    assert_eq!(back.score(&rows), forest.score(&rows));
}

#[test]
fn a_row_scores_the_same_alone_and_in_a_crowd() {
    let rows = cloud(700, 5, 3);
    for directions in [1, 2, 5] {
        let forest = Forest::fit(&rows, &ForestOptions { directions, ..Default::default() });
        let all = forest.score(&rows);
        let one = forest.score(&rows.select(&[613]));
        assert_eq!(one.path[0], all.path[613]);
        assert_eq!(one.sparsity[0], all.sparsity[613]);
    }
}

#[test]
fn training_rows_are_scored_by_trees_that_did_not_see_them() {
    let mut rows = cloud(600, 2, 4);
    rows.push(&[9.0, 9.0]);
    let (forest, unseen) = Forest::fit_scored(&rows, &ForestOptions::default());
    let seen = forest.score(&rows);
    assert_eq!(unseen.path.len(), rows.len());
    assert!(unseen.path[600] <= seen.path[600]);
    let small = cloud(50, 2, 4);
    let (forest, unseen) = Forest::fit_scored(&small, &ForestOptions::default());
    assert_eq!(unseen, forest.score(&small));
}

#[test]
fn bad_input_gives_finite_scores() {
    let empty = Forest::fit(&Rows::new(3), &ForestOptions::default());
    assert_eq!(empty.score(&cloud(2, 3, 1)).path, [1.0, 1.0]);
    assert!(Forest::fit(&Rows::new(0), &ForestOptions::default()).score(&Rows::new(0)).path.is_empty());
    let rows = Rows::from_values(2, vec![1.0, f64::NAN, f64::INFINITY, 1e308, -1e308, 0.0, 5.0, 5.0, 1.0, f64::NEG_INFINITY]);
    let constant = Rows::from_values(2, vec![3.0; 20]);
    for rows in [rows.clone(), constant, rows.select(&[0])] {
        for directions in [1, 2] {
            let scores = Forest::fit(&rows, &ForestOptions { directions, ..Default::default() }).score(&rows);
            assert!(scores.path.iter().chain(&scores.sparsity).all(|s| s.is_finite()), "{scores:?}");
        }
    }
    let many = cloud(20, 10_000, 1);
    let forest = Forest::fit(&many, &ForestOptions { directions: usize::MAX, trees: 2, ..Default::default() });
    assert!(forest.score(&many).path.iter().all(|s| s.is_finite()));
}

#[test]
fn contamination_cuts_the_wanted_share() {
    let scores: Vec<f64> = (0..=100).map(f64::from).collect();
    assert_eq!(contamination_cut(&scores, 0.05), Some(95.0));
    assert_eq!(contamination_cut(&scores, 0.0), Some(100.0));
    assert_eq!(contamination_cut(&[], 0.1), None);
    assert_eq!(contamination_cut(&[2.0, f64::NAN], 0.1), Some(2.0));
}
