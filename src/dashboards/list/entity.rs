//! What is unusual about one entity, and is it new?

use super::NAVIGATION;
use crate::dashboards::panel::{COLOURS, Dashboard, Drawing, Index, Measure, Panel, Shape, Split, View, column, grid, terms};

const fn figure(id: &'static str, title: &'static str, answers: &'static str, x: u32, measure: Measure) -> Panel {
    Panel {
        id,
        title,
        answers,
        grid: grid(x, 10, 12, 6),
        index: Index::Anomalies,
        condition: "",
        view: View::Tile(column(measure, title), COLOURS[0].1),
    }
}

/// One entity.
pub const ENTITY: Dashboard = Dashboard {
    id: "entity",
    title: "Elkhound: Entity",
    description: "One entity: actual against typical with the usual range, its history, and what is related. Choose it in the list; without a choice the strongest is shown.",
    from: "now-7d",
    panels: &[
        Panel {
            id: "entity-note",
            title: "Elkhound",
            answers: "Where do I go from here, and what does an empty panel mean?",
            grid: grid(0, 0, 48, 4),
            index: Index::Anomalies,
            condition: "",
            view: View::Note(NAVIGATION),
        },
        Panel {
            id: "entity-filters",
            title: "Entity",
            answers: "Which entity, and which of its features?",
            grid: grid(0, 4, 48, 6),
            index: Index::Anomalies,
            condition: "",
            view: View::Controls(&[("elkhound.entity.key", "Entity"), ("elkhound.feature", "Strongest feature"), ("elkhound.job", "Job")]),
        },
        figure("entity-score", "Highest score", "How bad is it at most?", 0, Measure::Max("elkhound.score")),
        figure("entity-count", "Anomalies", "How often was it reported?", 12, Measure::Count),
        figure("entity-stories", "Stories", "In how many separate runs of anomalies?", 24, Measure::Distinct("elkhound.story")),
        figure("entity-confidence", "Mean confidence", "How mature are the models behind it?", 36, Measure::Average("elkhound.confidence")),
        Panel {
            id: "entity-band",
            title: "Actual against typical",
            answers: "How far outside its usual range is it? (strongest entity and feature of the selection)",
            grid: grid(0, 16, 48, 15),
            index: Index::Anomalies,
            condition: "",
            view: View::Drawing(Drawing::Band),
        },
        Panel {
            id: "entity-history",
            title: "History by severity",
            answers: "Is it new, or has it been so for long?",
            grid: grid(0, 31, 24, 12),
            index: Index::Anomalies,
            condition: "",
            view: View::OverTime(Shape::Bars, &[column(Measure::Count, "Anomalies")], Split::Severity),
        },
        Panel {
            id: "entity-related",
            title: "Related: job, contributor, direction",
            answers: "What else is unusual about it, in which jobs?",
            grid: grid(24, 31, 24, 12),
            index: Index::Anomalies,
            condition: "",
            view: View::Ranking(
                &[terms("elkhound.job", "Job", 5), terms("elkhound.contributors", "Contributor", 5), terms("elkhound.direction", "Direction", 2)],
                &[column(Measure::Max("elkhound.score"), "Highest score"), column(Measure::Count, "Anomalies")],
            ),
        },
        Panel {
            id: "entity-anomalies",
            title: "In words, with evidence",
            answers: "What happened, in plain sentences, and which log lines show it?",
            grid: grid(0, 43, 48, 18),
            index: Index::Anomalies,
            condition: "",
            view: View::Records(&[
                "elkhound.severity",
                "elkhound.score",
                "event.reason",
                "elkhound.actual",
                "elkhound.typical",
                "elkhound.lower",
                "elkhound.upper",
                "elkhound.sample.message",
                "elkhound.link",
            ]),
        },
    ],
};
