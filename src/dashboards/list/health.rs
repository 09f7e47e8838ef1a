//! Does Elkhound itself do its work, and at what cost?

use super::NAVIGATION;
use crate::dashboards::panel::{COLOURS, Column, Dashboard, Drawing, Index, Measure, Panel, Shape, Split, View, column, grid, terms};

const fn figure(id: &'static str, title: &'static str, answers: &'static str, x: u32, condition: &'static str, measure: Measure) -> Panel {
    Panel { id, title, answers, grid: grid(x, 4, 12, 6), index: Index::Runs, condition, view: View::Tile(column(measure, title), COLOURS[0].1) }
}

const fn over_time(id: &'static str, title: &'static str, answers: &'static str, x: u32, y: u32, columns: &'static [Column]) -> Panel {
    Panel {
        id,
        title,
        answers,
        grid: grid(x, y, 24, 12),
        index: Index::Runs,
        condition: "",
        view: View::OverTime(Shape::Lines, columns, Split::None),
    }
}

/// Elkhound's own health.
pub const HEALTH: Dashboard = Dashboard {
    id: "health",
    title: "Elkhound: Health",
    description: "Run documents: windows done and missing, lag, documents read, late documents, retries, cost, age of snapshots, alarm rate.",
    from: "now-24h",
    panels: &[
        Panel {
            id: "health-note",
            title: "Elkhound",
            answers: "Where do I go from here, and what does an empty panel mean?",
            grid: grid(0, 0, 48, 4),
            index: Index::Runs,
            condition: "",
            view: View::Note(NAVIGATION),
        },
        figure("health-windows", "Windows done", "How many windows were done?", 0, "elkhound.run.verdict : \"done\"", Measure::Count),
        figure("health-documents", "Documents read", "How much was read?", 12, "", Measure::Sum("elkhound.run.documents")),
        figure("health-late", "Late documents", "Do logs come too late?", 24, "", Measure::Sum("elkhound.run.late_documents")),
        figure("health-retries", "Retries", "Does the cluster push back?", 36, "", Measure::Sum("elkhound.run.retries")),
        Panel {
            id: "health-window-lanes",
            title: "Windows by job and time: a gap is a missing window",
            answers: "Was every window of every job done?",
            grid: grid(0, 10, 48, 10),
            index: Index::Runs,
            condition: "",
            view: View::Drawing(Drawing::WindowLanes),
        },
        Panel {
            id: "health-lag",
            title: "Lag by job (hours behind the clock)",
            answers: "How far behind is each job?",
            grid: grid(0, 20, 24, 11),
            index: Index::Runs,
            condition: "",
            view: View::Drawing(Drawing::Lag),
        },
        Panel {
            id: "health-snapshots",
            title: "Age of the newest snapshot (hours)",
            answers: "How much would have to be read again after a restart?",
            grid: grid(24, 20, 24, 11),
            index: Index::State,
            condition: "",
            view: View::Drawing(Drawing::SnapshotAge),
        },
        over_time(
            "health-read",
            "Documents read, skipped, late",
            "Does a source fall silent, change its shape, or come late?",
            0,
            31,
            &[
                column(Measure::Sum("elkhound.run.documents"), "Read"),
                column(Measure::Sum("elkhound.run.skipped_documents"), "Skipped"),
                column(Measure::Sum("elkhound.run.late_documents"), "Late"),
            ],
        ),
        over_time(
            "health-alarms",
            "Alarm rate",
            "Do alarms stay within the budget?",
            24,
            31,
            &[column(Measure::Sum("elkhound.run.anomalies"), "Anomalies")],
        ),
        over_time(
            "health-cost",
            "Cost: milliseconds",
            "What does it cost the cluster and this machine?",
            0,
            43,
            &[
                column(Measure::Sum("elkhound.run.engine_took_ms"), "Engine"),
                column(Measure::Sum("elkhound.run.cpu_ms"), "Own CPU"),
                column(Measure::Sum("elkhound.run.duration_ms"), "Wall time"),
            ],
        ),
        over_time(
            "health-requests",
            "Searches, pages, retries",
            "How many requests does a window need?",
            24,
            43,
            &[
                column(Measure::Sum("elkhound.run.searches"), "Searches"),
                column(Measure::Sum("elkhound.run.pages"), "Pages"),
                column(Measure::Sum("elkhound.run.retries"), "Retries"),
            ],
        ),
        Panel {
            id: "health-jobs",
            title: "Jobs",
            answers: "What did each job read, judge, drop and report?",
            grid: grid(0, 55, 30, 12),
            index: Index::Runs,
            condition: "",
            view: View::Ranking(
                &[terms("elkhound.job", "Job", 20), terms("elkhound.run.verdict", "Verdict", 5)],
                &[
                    column(Measure::Count, "Windows"),
                    column(Measure::Sum("elkhound.run.documents"), "Documents"),
                    column(Measure::Sum("elkhound.run.rows"), "Rows judged"),
                    column(Measure::Sum("elkhound.run.dropped_entities"), "Dropped"),
                    column(Measure::Sum("elkhound.run.anomalies"), "Anomalies"),
                ],
            ),
        },
        Panel {
            id: "health-problems",
            title: "Trouble with data",
            answers: "What could not be read?",
            grid: grid(30, 55, 18, 12),
            index: Index::Runs,
            condition: "elkhound.run.problem_count > 0",
            view: View::Ranking(
                &[terms("elkhound.run.problem_kinds", "Kind", 10), terms("elkhound.job", "Job", 5)],
                &[column(Measure::Count, "Windows"), column(Measure::Max("elkhound.run.problem_count"), "Most in a window")],
            ),
        },
        Panel {
            id: "health-runs",
            title: "Run documents",
            answers: "What does the proof of each window say?",
            grid: grid(0, 67, 48, 16),
            index: Index::Runs,
            condition: "",
            view: View::Records(&[
                "elkhound.job",
                "event.end",
                "elkhound.run.verdict",
                "elkhound.run.strategy",
                "elkhound.run.documents",
                "elkhound.run.rows",
                "elkhound.run.anomalies",
                "elkhound.run.duration_ms",
            ]),
        },
    ],
};
