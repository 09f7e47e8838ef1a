//! What is being worked on, what was judged, what is kept quiet?

use super::NAVIGATION;
use crate::dashboards::panel::{COLOURS, Dashboard, Index, Measure, Panel, Shape, Split, View, column, grid, terms};

const fn figure(id: &'static str, title: &'static str, answers: &'static str, x: u32, condition: &'static str, measure: Measure) -> Panel {
    Panel { id, title, answers, grid: grid(x, 4, 12, 6), index: Index::Anomalies, condition, view: View::Tile(column(measure, title), COLOURS[0].1) }
}

/// Cases and triage.
pub const CASES: Dashboard = Dashboard {
    id: "cases",
    title: "Elkhound: Cases and triage",
    description: "Stories (runs of anomalies of one entity), their status, what people said about them, and what is suppressed.",
    from: "now-30d",
    panels: &[
        Panel {
            id: "cases-note",
            title: "Elkhound",
            answers: "Where do I go from here, and what does an empty panel mean?",
            grid: grid(0, 0, 48, 4),
            index: Index::Anomalies,
            condition: "",
            view: View::Note(NAVIGATION),
        },
        figure(
            "cases-open",
            "Open stories",
            "How many things are there to look at?",
            0,
            "elkhound.status : \"open\"",
            Measure::Distinct("elkhound.story"),
        ),
        figure(
            "cases-entities",
            "Entities with open findings",
            "How many entities are involved?",
            12,
            "elkhound.status : \"open\"",
            Measure::Distinct("elkhound.entity.key"),
        ),
        figure("cases-suppressed", "Suppressed", "How much do rules keep quiet?", 24, "elkhound.status : \"suppressed\"", Measure::Count),
        Panel {
            id: "cases-verdicts-count",
            title: "Verdicts and silences",
            answers: "How much has been judged by people?",
            grid: grid(36, 4, 12, 6),
            index: Index::Triage,
            condition: "",
            view: View::Tile(column(Measure::Count, "Verdicts and silences"), COLOURS[0].1),
        },
        Panel {
            id: "cases-status",
            title: "Findings by status",
            answers: "Does the pile of open findings grow?",
            grid: grid(0, 10, 24, 12),
            index: Index::Anomalies,
            condition: "",
            view: View::OverTime(Shape::Bars, &[column(Measure::Count, "Anomalies")], Split::Terms(terms("elkhound.status", "Status", 4))),
        },
        Panel {
            id: "cases-feedback",
            title: "Feedback over time",
            answers: "What do people say: right, wrong, or expected?",
            grid: grid(24, 10, 24, 12),
            index: Index::Triage,
            condition: "",
            view: View::OverTime(Shape::Bars, &[column(Measure::Count, "Verdicts")], Split::Terms(terms("elkhound.verdict", "Verdict", 5))),
        },
        Panel {
            id: "cases-stories",
            title: "Open stories",
            answers: "Which case first: who, what, how bad, how long?",
            grid: grid(0, 22, 28, 14),
            index: Index::Anomalies,
            condition: "elkhound.status : \"open\"",
            view: View::Ranking(
                &[terms("elkhound.story", "Story", 15), terms("elkhound.entity.key", "Entity", 1), terms("rule.name", "Finding", 1)],
                &[column(Measure::Max("elkhound.score"), "Highest score"), column(Measure::Count, "Buckets")],
            ),
        },
        Panel {
            id: "cases-suppressed-by",
            title: "Suppressed, by rule",
            answers: "Which rule or silence keeps what quiet?",
            grid: grid(28, 22, 20, 14),
            index: Index::Anomalies,
            condition: "elkhound.status : \"suppressed\"",
            view: View::Ranking(
                &[terms("elkhound.suppressed_by", "Rule", 10)],
                &[column(Measure::Count, "Anomalies"), column(Measure::Max("elkhound.score"), "Highest score")],
            ),
        },
        Panel {
            id: "cases-verdicts",
            title: "What people said",
            answers: "Who judged which finding, how, and why?",
            grid: grid(0, 36, 48, 12),
            index: Index::Triage,
            condition: "",
            view: View::Records(&[
                "elkhound.kind",
                "elkhound.verdict",
                "elkhound.job",
                "elkhound.entity.key",
                "elkhound.author",
                "elkhound.note",
                "elkhound.until",
            ]),
        },
        Panel {
            id: "cases-anomalies",
            title: "Open findings",
            answers: "What is open, in words?",
            grid: grid(0, 48, 48, 16),
            index: Index::Anomalies,
            condition: "elkhound.status : \"open\"",
            view: View::Records(&[
                "elkhound.severity",
                "elkhound.score",
                "elkhound.entity.key",
                "event.reason",
                "elkhound.story",
                "elkhound.since",
                "elkhound.revision",
                "elkhound.was.score",
            ]),
        },
    ],
};
