use super::*;
use crate::model::FeatureSpec;
use std::io::Write;

fn job() -> Arc<Job> {
    let count = FeatureSpec { name: "n".into(), kind: "count".into(), ..FeatureSpec::default() };
    Arc::new(Job { entity_fields: vec!["source.ip".into()], features: vec![count], bucket_span_ms: 60_000, ..Job::default() })
}

fn line(ip: &str, minute: i64) -> String {
    let t = chrono::DateTime::from_timestamp_millis(minute * 60_000).unwrap().format("%d/%b/%Y:%H:%M:%S +0000");
    format!("{ip} - - [{t}] \"GET / HTTP/1.1\" 200 5\n")
}

/// One text per bucket: its minute and `entity x count` of every row.
fn read(files: &[&[u8]]) -> (Vec<String>, Feed) {
    let dir = tempfile::tempdir().unwrap();
    let paths: Vec<_> = (0..files.len()).map(|i| dir.path().join(format!("{i}.log"))).collect();
    for (path, bytes) in paths.iter().zip(files) {
        std::fs::File::create(path).unwrap().write_all(bytes).unwrap();
    }
    let mut feed = Feed::open(&paths, &[job()], ReadOptions::default()).unwrap();
    let mut out = Vec::new();
    loop {
        let more = feed.pump();
        while let Some(window) = feed.next_window(0) {
            for b in feed.fetch(0, window).buckets {
                let mut rows: Vec<_> = (0..b.rows()).map(|r| format!("{}x{}", b.keys.text(r), b.doc_counts[r])).collect();
                rows.sort();
                out.push(format!("{}: {}", b.start_ms / 60_000, rows.join(" ")));
            }
        }
        if !more {
            return (out, feed);
        }
    }
}

#[test]
fn buckets_come_in_order_with_the_empty_ones_between() {
    let text = [line("a", 1), line("b", 1), line("a", 3), line("a", 1)].concat();
    assert_eq!(read(&[text.as_bytes()]).0, ["1: ax2 bx1", "2: ", "3: ax1"]);
}

#[test]
fn files_are_read_in_order_of_time_side_by_side() {
    let (new, old) = ([line("new", 5), line("new", 6)].concat(), [line("old", 4), line("old", 5)].concat());
    assert_eq!(read(&[new.as_bytes(), old.as_bytes()]).0, ["4: oldx1", "5: newx1 oldx1", "6: newx1"]);
}

#[test]
fn a_wrong_clock_neither_ends_the_scan_nor_fills_years_of_empty_buckets() {
    let text = [line("a", 1), line("future", 40_000_000), line("a", 2), line("past", -4_000_000), line("a", 3)].concat();
    assert_eq!(read(&[text.as_bytes()]).0, ["-4000000: pastx1", "1: ax1", "2: ax1", "3: ax1", "40000000: futurex1"]);
}

#[test]
fn what_comes_far_too_late_is_counted_when_memory_is_full() {
    let mut text = String::new();
    for i in 0..MAX_OPEN + 20_000 {
        text.push_str(&line(&format!("h{i}"), 1 + i as i64 / 10_000));
    }
    text.push_str(&line("late", 1));
    text.push_str(&line("last", 23));
    let (buckets, feed) = read(&[text.as_bytes()]);
    assert_eq!((buckets.len(), feed.jobs[0].extractor.late()), (23, 1));
}

#[test]
fn a_truncated_file_gives_what_could_be_read_and_a_failure() {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    (0..5_000).for_each(|i| gzip.write_all(line(&format!("h{i}"), i / 100).as_bytes()).unwrap());
    let whole = gzip.finish().unwrap();
    let (buckets, feed) = read(&[&whole[..whole.len() / 2]]);
    assert!(buckets.len() > 5 && buckets.len() < 50, "{}", buckets.len());
    assert!(feed.failures()[0].message.contains("ends too early (truncated)"), "{:?}", feed.failures());
}

#[test]
fn a_file_of_no_use_is_an_error_alone_and_a_failure_among_others() {
    let opens = |bytes: &[u8]| {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        Feed::open(&[file.path().to_owned()], &[job()], ReadOptions::default()).err().map(|e| e.message).unwrap_or_default()
    };
    for (bytes, what) in [
        (&b""[..], "is empty"),
        (b"\n\n \n", "only blank lines"),
        (b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0>\0\x01\0\0\0", "binary"),
        (b"hello\nworld\n", "format is not known"),
    ] {
        assert!(opens(bytes).contains(what), "{what}: {}", opens(bytes));
    }
    let good = line("a", 1);
    let (buckets, feed) = read(&[good.as_bytes(), b"hello\n"]);
    assert_eq!((buckets.len(), feed.failures().len()), (1, 1));
    assert!(Feed::open(&["/does/not/exist".into()], &[job()], ReadOptions::default()).is_err_and(|e| e.is_missing));
}

#[test]
fn the_first_lines_behind_a_row_are_its_evidence() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.log");
    std::fs::write(&path, [line("b", 1), line("a", 1), line("a", 1)].concat()).unwrap();
    let feed = Arc::new(Mutex::new(Feed::open(&[path], &[job()], ReadOptions::default()).unwrap()));
    while lock(&feed).pump() {}
    let window = lock(&feed).next_window(0).unwrap();
    let mut source = FileSource::new(feed, 0);
    let fetched = futures::executor::block_on(source.fetch(window)).unwrap();
    assert_eq!((fetched.buckets[0].rows(), fetched.stats.documents), (2, 3));
    let lines = futures::executor::block_on(source.sample(b"a", window, 5)).unwrap();
    assert_eq!(lines, [line("a", 1).trim_end(), line("a", 1).trim_end()]);
}
