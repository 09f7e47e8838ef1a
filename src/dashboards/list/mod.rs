//! The dashboards.

mod cases;
mod entity;
mod explorer;
mod health;
mod overview;

use super::panel::Dashboard;

/// All of them, in the order in which people need them.
pub const ALL: &[&Dashboard] = &[&overview::OVERVIEW, &explorer::EXPLORER, &entity::ENTITY, &cases::CASES, &health::HEALTH];

/// Text that stands at the head of each dashboard: where to go from here, and what an empty panel means.
const NAVIGATION: &str = "[Overview](#/view/elkhound-overview) · [Explorer](#/view/elkhound-explorer) · [Entity](#/view/elkhound-entity) · \
[Cases and triage](#/view/elkhound-cases) · [Health](#/view/elkhound-health)\n\n\
**No results?** Nothing was reported in this time range: widen it, or look at *Health* to see whether windows were done. \
Score: 0 to 100, how rare a finding is; medium from 25, high from 50, critical from 75.";
