//! What a panel is, whoever shows it.

/// Columns of the grid that panels stand in, in both products.
pub const GRID_COLUMNS: u32 = 48;

/// Colours of the severities, mildest first: the same on every dashboard and page.
pub const COLOURS: [(&str, &str); 4] = [("low", "#7aa7d6"), ("medium", "#e3c34c"), ("high", "#e98a3a"), ("critical", "#d6363f")];

/// What a panel reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Index {
    /// Anomalies.
    Anomalies,
    /// Run documents.
    Runs,
    /// What people say.
    Triage,
    /// Checkpoints and snapshots; without a time.
    State,
}

impl Index {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Anomalies, Self::Runs, Self::Triage, Self::State];

    /// The word in ids and index names.
    pub fn name(self) -> &'static str {
        match self {
            Self::Anomalies => "anomalies",
            Self::Runs => "runs",
            Self::Triage => "triage",
            Self::State => "state",
        }
    }

    /// Pattern of the index names.
    pub fn pattern(self, prefix: &str) -> String {
        match self {
            Self::Anomalies | Self::Runs => format!("{prefix}-{}-*", self.name()),
            Self::Triage | Self::State => format!("{prefix}-{}", self.name()),
        }
    }

    /// Id of the index pattern (data view).
    pub fn object_id(self, prefix: &str) -> String {
        format!("{prefix}-{}", self.name())
    }

    /// Field of the time picker.
    pub fn time_field(self) -> Option<&'static str> {
        (self != Self::State).then_some("@timestamp")
    }
}

/// Where a panel stands: columns and rows of the grid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grid {
    /// Left edge, 0 to 47.
    pub x: u32,
    /// Upper edge.
    pub y: u32,
    /// Width.
    pub w: u32,
    /// Height.
    pub h: u32,
}

/// A figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// Documents.
    Count,
    /// Greatest value of a field.
    Max(&'static str),
    /// Sum of a field.
    Sum(&'static str),
    /// Mean of a field.
    Average(&'static str),
    /// Different values of a field.
    Distinct(&'static str),
}

impl Measure {
    /// The field it needs.
    pub fn field(self) -> Option<&'static str> {
        match self {
            Self::Count => None,
            Self::Max(f) | Self::Sum(f) | Self::Average(f) | Self::Distinct(f) => Some(f),
        }
    }
}

/// A figure with its heading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// Which figure.
    pub measure: Measure,
    /// Heading.
    pub label: &'static str,
}

/// A figure with a heading.
pub const fn column(measure: Measure, label: &'static str) -> Column {
    Column { measure, label }
}

/// Values of a field, the strongest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// Keyword field.
    pub field: &'static str,
    /// Heading.
    pub label: &'static str,
    /// How many.
    pub size: u32,
}

/// Values of a field.
pub const fn terms(field: &'static str, label: &'static str, size: u32) -> Terms {
    Terms { field, label, size }
}

/// How a chart over time is split.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Split {
    /// Not at all.
    None,
    /// Low, medium, high, critical in fixed order and colours; only for counts.
    Severity,
    /// By values of a field.
    Terms(Terms),
}

/// How a chart over time is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Stacked bars.
    Bars,
    /// Lines.
    Lines,
}

/// A chart that neither product has ready, drawn by a Vega-Lite specification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drawing {
    /// Highest score by value of a field and time.
    Lanes(Terms),
    /// Windows done by job and time: a gap is a missing window.
    WindowLanes,
    /// Actual against typical, with the usual range, of the strongest entity in view.
    Band,
    /// How far each job lies behind the clock.
    Lag,
    /// How old the newest snapshot of each job is.
    SnapshotAge,
}

/// What a panel shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    /// Text in Markdown.
    Note(&'static str),
    /// One large figure, with its colour.
    Tile(Column, &'static str),
    /// Figures over time.
    OverTime(Shape, &'static [Column], Split),
    /// A table of values with figures; sorted by the first figure.
    Ranking(&'static [Terms], &'static [Column]),
    /// Documents, newest first.
    Records(&'static [&'static str]),
    /// A drawing.
    Drawing(Drawing),
    /// Lists to choose from: field and label.
    Controls(&'static [(&'static str, &'static str)]),
}

impl View {
    /// Plain words for the kind.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Note(_) => "text",
            Self::Tile(..) => "figure",
            Self::OverTime(Shape::Bars, ..) => "bars over time",
            Self::OverTime(Shape::Lines, ..) => "lines over time",
            Self::Ranking(..) => "table",
            Self::Records(_) => "documents",
            Self::Drawing(Drawing::Lanes(_) | Drawing::WindowLanes) => "swim lanes",
            Self::Drawing(Drawing::Band) => "line, band and markers",
            Self::Drawing(Drawing::Lag | Drawing::SnapshotAge) => "bars",
            Self::Controls(_) => "filters",
        }
    }
}

/// A panel of a dashboard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Panel {
    /// Unique among all panels; letters, digits and hyphens.
    pub id: &'static str,
    /// Heading.
    pub title: &'static str,
    /// The question that it answers.
    pub answers: &'static str,
    /// Where it stands.
    pub grid: Grid,
    /// What it reads.
    pub index: Index,
    /// KQL condition of its own; empty when it has none.
    pub condition: &'static str,
    /// What it shows.
    pub view: View,
}

/// A dashboard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dashboard {
    /// Unique; letters, digits and hyphens.
    pub id: &'static str,
    /// Heading.
    pub title: &'static str,
    /// One sentence.
    pub description: &'static str,
    /// Time range when it is opened: the last so much, such as `now-7d`.
    pub from: &'static str,
    /// In reading order.
    pub panels: &'static [Panel],
}

/// Where a panel stands.
pub const fn grid(x: u32, y: u32, w: u32, h: u32) -> Grid {
    Grid { x, y, w, h }
}

/// Condition for a severity, in KQL.
pub fn severity_is(severity: &str) -> String {
    format!("elkhound.severity : \"{severity}\"")
}
