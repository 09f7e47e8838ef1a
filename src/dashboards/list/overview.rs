//! Is anything wrong, where, and since when?

use super::NAVIGATION;
use crate::dashboards::panel::{COLOURS, Dashboard, Index, Measure, Panel, Shape, Split, View, column, grid, terms};

const OPEN: &str = "elkhound.status : \"open\"";

const fn tile(id: &'static str, title: &'static str, x: u32, condition: &'static str, colour: &'static str) -> Panel {
    Panel {
        id,
        title,
        answers: "How many findings of this severity are open?",
        grid: grid(x, 4, 12, 6),
        index: Index::Anomalies,
        condition,
        view: View::Tile(column(Measure::Count, title), colour),
    }
}

/// The overview.
pub const OVERVIEW: Dashboard = Dashboard {
    id: "overview",
    title: "Elkhound: Overview",
    description: "Open anomalies by severity, over time, and the entities behind them.",
    from: "now-7d",
    panels: &[
        Panel {
            id: "overview-note",
            title: "Elkhound",
            answers: "Where do I go from here, and what does an empty panel mean?",
            grid: grid(0, 0, 48, 4),
            index: Index::Anomalies,
            condition: "",
            view: View::Note(NAVIGATION),
        },
        tile("overview-critical", "Open: critical", 0, "elkhound.status : \"open\" and elkhound.severity : \"critical\"", COLOURS[3].1),
        tile("overview-high", "Open: high", 12, "elkhound.status : \"open\" and elkhound.severity : \"high\"", COLOURS[2].1),
        Panel { answers: "How many findings are open in all?", ..tile("overview-open", "Open: all", 24, OPEN, COLOURS[0].1) },
        Panel {
            answers: "How many entities are behind them?",
            view: View::Tile(column(Measure::Distinct("elkhound.entity.key"), "Entities"), COLOURS[0].1),
            ..tile("overview-entities", "Entities with open findings", 36, OPEN, COLOURS[0].1)
        },
        Panel {
            id: "overview-over-time",
            title: "Anomalies over time by severity",
            answers: "When did it happen, and is it getting worse?",
            grid: grid(0, 10, 48, 11),
            index: Index::Anomalies,
            condition: OPEN,
            view: View::OverTime(Shape::Bars, &[column(Measure::Count, "Anomalies")], Split::Severity),
        },
        Panel {
            id: "overview-top-entities",
            title: "Top entities",
            answers: "Who is behind it?",
            grid: grid(0, 21, 24, 13),
            index: Index::Anomalies,
            condition: OPEN,
            view: View::Ranking(
                &[terms("elkhound.entity.key", "Entity", 10)],
                &[
                    column(Measure::Max("elkhound.score"), "Highest score"),
                    column(Measure::Sum("elkhound.score"), "Sum of scores"),
                    column(Measure::Count, "Anomalies"),
                ],
            ),
        },
        Panel {
            id: "overview-top-contributors",
            title: "Top contributors",
            answers: "What stands out: which features are unusual?",
            grid: grid(24, 21, 24, 13),
            index: Index::Anomalies,
            condition: OPEN,
            view: View::Ranking(
                &[terms("elkhound.contributors", "Contributor", 10)],
                &[
                    column(Measure::Max("elkhound.score"), "Highest score"),
                    column(Measure::Distinct("elkhound.entity.key"), "Entities"),
                    column(Measure::Count, "Anomalies"),
                ],
            ),
        },
        Panel {
            id: "overview-anomalies",
            title: "Anomalies",
            answers: "What exactly happened, in words, and where are the logs?",
            grid: grid(0, 34, 48, 18),
            index: Index::Anomalies,
            condition: OPEN,
            view: View::Records(&["elkhound.severity", "elkhound.score", "elkhound.job", "elkhound.entity.key", "event.reason", "elkhound.link"]),
        },
    ],
};
