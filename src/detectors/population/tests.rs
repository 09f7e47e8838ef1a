use super::shown::first_segment;
use super::*;
use crate::detectors::testing::{Board, options};
use crate::model::ValueCounts;
use crate::model::keys::stable_hash;

const OPTIONS: &str = r#"{"paths":["paths"],"values":["statuses"],"numbers":["requests"]}"#;

fn detector() -> Box<dyn Detector> {
    let job = Board::job(&["requests"], &["paths", "statuses"]);
    (POPULATION.build)(&job, &options(OPTIONS)).unwrap_or_else(|e| panic!("{e}"))
}

/// A site with five sections: clients come and go, one is busy.
fn site(d: &mut Box<dyn Detector>) -> Board {
    let mut board = Board::new(&["paths", "statuses"], 1);
    for hour in 0..60u64 {
        let paths: Vec<String> =
            (0..10).map(|c| format!("/{}/page{}", ["blog", "img", "css", "about", "files"][c % 5], (hour + c as u64) % 17)).collect();
        let names: Vec<String> = (0..10).map(|c| format!("10.0.{hour}.{c}")).collect();
        let values: Vec<Vec<(&str, u64)>> = paths.iter().enumerate().map(|(c, p)| vec![(p.as_str(), 1 + c as u64 % 4), ("/", 1)]).collect();
        let status: Vec<(&str, u64)> = vec![("200", 2), ("304", 1)];
        let busy: Vec<(&str, u64)> = paths.iter().map(|p| (p.as_str(), 30)).collect();
        let lists: Vec<[&[(&str, u64)]; 2]> = values.iter().map(|v| [v.as_slice(), status.as_slice()]).collect();
        let mut rows: Vec<crate::detectors::testing::Row<'_>> = (0..10).map(|c| (names[c].as_str(), lists[c].as_slice(), &[3.0][..])).collect();
        let crawl: [&[(&str, u64)]; 2] = [&busy, &[("200", 300)]];
        rows.push(("crawler", &crawl, &[300.0]));
        board.bucket(&rows);
        board.learn(d.as_mut());
    }
    board
}

#[test]
fn what_rows_show_is_the_same_all_at_once_and_row_by_row() {
    let texts = ["/a/1", "/b", "/a/2", "/.env", "/"];
    let names: BTreeMap<u64, Box<str>> = texts.iter().map(|t| (stable_hash(t.as_bytes()), (*t).into())).collect();
    let rows = (0..7u64).map(|r| names.keys().enumerate().filter(|(i, _)| (r >> i) & 1 == 1).map(|(_, &h)| (h, r + 1)).collect()).collect();
    let counts = ValueCounts::from_rows(rows, names, vec![0; 7]);
    for is_path in [true, false] {
        let used = Used { index: 0, name: "paths".into(), is_path };
        let shown = Shown::of(&used, Some(&counts), 2..7);
        for row in 2..7 {
            let mine: Vec<(u64, u64)> = shown.row(row - 2).iter().map(|&(v, n)| (shown.values[v as usize], n)).collect();
            let mut alone = BTreeMap::<u64, u64>::new();
            counts.row(row).for_each(|(hash, n)| *alone.entry(used.compared(&counts, hash)).or_default() += n);
            assert_eq!(mine, alone.into_iter().collect::<Vec<_>>());
        }
    }
}

#[test]
fn a_slow_scan_by_a_newcomer_is_found_among_busy_clients() {
    let mut d = detector();
    let mut board = site(&mut d);
    let scan: &[(&str, u64)] = &[("/wp-login.php", 1), ("/.env", 1), ("/admin/x", 1), ("/cgi-bin/a", 1), ("/phpmyadmin/", 1)];
    let busy: &[(&str, u64)] = &[("/blog/page1", 150), ("/img/page3", 150)];
    board.bucket(&[
        ("scanner", &[scan, &[("404", 5)]], &[5.0]),
        ("crawler", &[busy, &[("200", 300)]], &[300.0]),
        ("reader", &[&[("/blog/page99", 2)], &[("200", 2)]], &[2.0]),
    ]);
    let s = board.score(d.as_ref());
    assert!(s["scanner"] > 2.0 && s["scanner"] > s["crawler"] + 1.0 && s["reader"] < 2.0, "{s:?}");
    let parts = board.explain(d.as_ref(), "scanner");
    assert!(parts.iter().any(|c| c.feature == "paths=/.env" && c.reference == "first seen anywhere"));
}

#[test]
fn the_very_first_bucket_is_judged_among_its_own_rows() {
    let d = detector();
    let mut board = Board::new(&["paths", "statuses"], 1);
    let names: Vec<String> = (0..2_000).map(|c| format!("10.0.{}.{}", c / 250, c % 250)).collect();
    let paths: Vec<String> = (0..2_000).map(|c| format!("/{}/p{}", ["blog", "img", "css", "about", "files"][c % 5], c % 97)).collect();
    let lists: Vec<Vec<(&str, u64)>> = paths.iter().enumerate().map(|(c, p)| vec![(p.as_str(), 1 + c as u64 % 7)]).collect();
    let status: &[(&str, u64)] = &[("200", 3)];
    let both: Vec<[&[(&str, u64)]; 2]> = lists.iter().map(|l| [l.as_slice(), status]).collect();
    let counts: Vec<[f64; 1]> = (0..2_000).map(|c| [1.0 + (c % 7) as f64]).collect();
    let mut rows: Vec<crate::detectors::testing::Row<'_>> =
        (0..2_000).map(|c| (names[c].as_str(), both[c].as_slice(), counts[c].as_slice())).collect();
    let scan: [&[(&str, u64)]; 2] = [&[("/.env", 1), ("/wp-login.php", 1), ("/admin/x", 1), ("/cgi-bin/a", 1)], &[("404", 4)]];
    rows.extend([("scanner a", &scan[..], &[4.0][..]), ("scanner b", &scan[..], &[4.0][..])]);
    board.bucket(&rows);
    let s = board.score(d.as_ref());
    let mut order: Vec<(&String, &f64)> = s.iter().collect();
    order.sort_by(|a, b| b.1.total_cmp(a.1));
    assert!(order[..2].iter().all(|(name, s)| name.starts_with("scanner") && **s > 3.5), "{:?}", &order[..4]);
    let loud = s.values().filter(|s| **s > 2.0).count();
    assert!(loud <= 2 + 2 * 20, "{loud} of 2002 rows are claimed to be rarer than 1 in 100");
}

#[test]
fn contributions_sum_to_the_surprise_of_every_row() {
    let mut d = detector();
    let mut board = site(&mut d);
    board.bucket(&[
        ("a", &[&[("/x/y", 3), ("/x/z", 2), ("/blog/1", 1)], &[("500", 6)]], &[6.0]),
        ("b", &[&[], &[]], &[f64::NAN]),
        ("c", &[&[("/", 1)], &[("200", 1)]], &[1e308]),
    ]);
    for (entity, s) in board.score(d.as_ref()) {
        let sum: f64 = board.explain(d.as_ref(), &entity).iter().map(|c| c.surprise).sum();
        assert!((sum - s).abs() < 1e-9, "{entity}: {sum} {s}");
    }
}

#[test]
fn many_scanners_do_not_make_scanning_normal() {
    let mut d = detector();
    let mut board = site(&mut d);
    let scan: &[(&str, u64)] = &[("/wp-login.php", 1), ("/.env", 1), ("/admin/x", 1), ("/cgi-bin/a", 1)];
    let mut last = 0.0;
    for i in 0..30 {
        let name = format!("s{i}");
        board.bucket(&[(&name, &[scan, &[("404", 4)]], &[4.0]), ("crawler", &[&[("/blog/1", 300)], &[("200", 300)]], &[300.0])]);
        last = board.score(d.as_ref())[&name];
        board.learn(d.as_mut());
    }
    // Learned without a word, as nothing reported ever is, they are a tenth of all rows in the end: what they show is still
    // unknown, and how often such rows come is known.
    assert!(last > 1.3, "{last}");
}

#[test]
fn snapshots_score_the_same_and_wrong_options_are_refused() {
    let mut d = detector();
    let mut board = site(&mut d);
    board.bucket(&[("a", &[&[("/x", 3)], &[("500", 6)]], &[6.0])]);
    let mut e = detector();
    assert_eq!(e.restore(&d.snapshot()), Ok(()));
    assert_eq!(board.score(e.as_ref()), board.score(d.as_ref()));
    let job = Board::job(&["requests"], &["paths"]);
    for bad in [r#"{"values":["x"]}"#, r#"{"numbers":["x"]}"#, r#"{"numbers":["requests"],"half_life_days":-1}"#] {
        assert!((POPULATION.build)(&job, &options(bad)).is_err(), "{bad}");
    }
    board.bucket(&[]);
    assert!(board.score(d.as_ref()).is_empty());
    board.learn(d.as_mut());
}

#[test]
fn a_path_is_compared_by_its_first_segment() {
    for (path, segment) in
        [("/", "/"), ("", ""), ("/a", "/a"), ("/a/b/c", "/a"), ("/é/x", "/é"), ("/?q=1", "/"), ("*", "*"), ("/a?x/y", "/a"), ("//x", "/")]
    {
        assert_eq!(first_segment(path), segment, "{path}");
    }
}
