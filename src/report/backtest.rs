//! The page of a backtest: tables of figures over thresholds, what was missed, false alarms, and what a second configuration
//! changes. It has no script.

use minijinja::{Value, context};

use super::page;
use super::text::clean;

/// Characters of a line that are shown.
const SHOWN: usize = 500;

/// Everything that the page shows, as text.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// Heading.
    pub title: String,
    /// Names of the columns of figures.
    pub columns: Vec<String>,
    /// One for each configuration, and one for their difference.
    pub blocks: Vec<Block>,
}

/// A configuration, or a difference.
#[derive(Debug, Clone, Default)]
pub struct Block {
    /// What it is about.
    pub title: String,
    /// Sentences above the figures.
    pub facts: Vec<String>,
    /// Rows of figures, the cells in the order of the columns.
    pub figures: Vec<Vec<String>>,
    /// Lists below the figures.
    pub lists: Vec<List>,
    /// What went wrong and did not end it.
    pub notes: Vec<String>,
}

/// A list with a title; lines may have a second line.
#[derive(Debug, Clone, Default)]
pub struct List {
    /// What the lines are.
    pub title: String,
    /// The lines.
    pub lines: Vec<String>,
}

/// The page as HTML.
pub fn render(report: &Page) -> String {
    let cleaned = |lines: &[String]| lines.iter().map(|l| clean(l, SHOWN)).collect::<Vec<_>>();
    let lines = |l: &List| l.lines.iter().map(|l| l.split('\n').map(|part| clean(part, SHOWN)).collect::<Vec<_>>()).collect::<Vec<_>>();
    let lists = |b: &Block| b.lists.iter().map(|l| context! { title => clean(&l.title, SHOWN), lines => lines(l) }).collect::<Vec<Value>>();
    let block = |b: &Block| {
        let figures: Vec<Vec<String>> = b.figures.iter().map(|row| cleaned(row)).collect();
        context! { title => clean(&b.title, SHOWN), facts => cleaned(&b.facts), figures, lists => lists(b), notes => cleaned(&b.notes) }
    };
    let blocks: Vec<Value> = report.blocks.iter().map(block).collect();
    page::backtest(context! { title => clean(&report.title, SHOWN), columns => cleaned(&report.columns), blocks })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_and_lists_are_shown_and_hostile_names_stay_text() {
        let list = List { title: "missed".into(), lines: vec!["<b>x</b>\u{202e}, score 5\nwhy <i>".into()] };
        let figures = vec![vec!["as reported".into(), "0.5".into()]];
        let block = Block { title: "web <script>".into(), figures, lists: vec![list], notes: vec!["cut".into()], ..Block::default() };
        let html = render(&Page { title: "Backtest".into(), columns: vec!["score from".into(), "recall".into()], blocks: vec![block] });
        for word in ["<h1>Backtest</h1>", "web &lt;script&gt;", "as reported", "recall", "missed: 1", "&lt;b&gt;x", "why &lt;i&gt;", "cut"] {
            assert!(html.contains(word), "{word}: {html}");
        }
        assert!(!html.contains("<script") && !html.contains('\u{202e}') && html.contains("script-src &#x27;none&#x27;"));
        assert!(render(&Page::default()).contains("<main"));
    }
}
