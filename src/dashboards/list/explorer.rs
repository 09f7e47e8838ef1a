//! Where in time and among entities does it cluster?

use super::NAVIGATION;
use crate::dashboards::panel::{Dashboard, Drawing, Index, Measure, Panel, Shape, Split, View, column, grid, terms};

/// The explorer.
pub const EXPLORER: Dashboard = Dashboard {
    id: "explorer",
    title: "Elkhound: Explorer",
    description: "Swim lanes of entities and jobs over time, with filters and the list of findings.",
    from: "now-7d",
    panels: &[
        Panel {
            id: "explorer-note",
            title: "Elkhound",
            answers: "Where do I go from here, and what does an empty panel mean?",
            grid: grid(0, 0, 48, 4),
            index: Index::Anomalies,
            condition: "",
            view: View::Note(NAVIGATION),
        },
        Panel {
            id: "explorer-filters",
            title: "Filters",
            answers: "How do I narrow it down to a job, a severity, a detector or an entity?",
            grid: grid(0, 4, 48, 6),
            index: Index::Anomalies,
            condition: "",
            view: View::Controls(&[
                ("elkhound.job", "Job"),
                ("elkhound.severity", "Severity"),
                ("elkhound.detector", "Detector"),
                ("elkhound.entity.key", "Entity"),
                ("elkhound.contributors", "Contributor"),
            ]),
        },
        Panel {
            id: "explorer-job-lanes",
            title: "Highest score by job and time",
            answers: "Which job saw something, and when?",
            grid: grid(0, 10, 48, 10),
            index: Index::Anomalies,
            condition: "",
            view: View::Drawing(Drawing::Lanes(terms("elkhound.job", "Job", 15))),
        },
        Panel {
            id: "explorer-entity-lanes",
            title: "Highest score by entity and time",
            answers: "Which entities stand out, when, and together with whom?",
            grid: grid(0, 20, 48, 18),
            index: Index::Anomalies,
            condition: "",
            view: View::Drawing(Drawing::Lanes(terms("elkhound.entity.key", "Entity", 20))),
        },
        Panel {
            id: "explorer-over-time",
            title: "Anomalies over time by detector",
            answers: "Which kind of detection found it?",
            grid: grid(0, 38, 24, 12),
            index: Index::Anomalies,
            condition: "",
            view: View::OverTime(Shape::Bars, &[column(Measure::Count, "Anomalies")], Split::Terms(terms("elkhound.detector", "Detector", 8))),
        },
        Panel {
            id: "explorer-matrix",
            title: "Entities by job and strongest feature",
            answers: "Which entity is unusual in what, in which job?",
            grid: grid(24, 38, 24, 12),
            index: Index::Anomalies,
            condition: "",
            view: View::Ranking(
                &[terms("elkhound.entity.key", "Entity", 8), terms("elkhound.job", "Job", 3), terms("elkhound.feature", "Strongest feature", 3)],
                &[column(Measure::Max("elkhound.score"), "Highest score"), column(Measure::Count, "Anomalies")],
            ),
        },
        Panel {
            id: "explorer-anomalies",
            title: "Anomalies",
            answers: "What exactly happened: actual against typical, in words?",
            grid: grid(0, 50, 48, 18),
            index: Index::Anomalies,
            condition: "",
            view: View::Records(&[
                "elkhound.severity",
                "elkhound.score",
                "elkhound.entity.key",
                "elkhound.feature",
                "elkhound.actual",
                "elkhound.typical",
                "event.reason",
                "elkhound.link",
            ]),
        },
    ],
};
