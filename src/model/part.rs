//! What a part of a catalogue (feature, detector, format, ...) says about itself.

/// Name, one-sentence description and loadable example of a part: read by the `parts` command, the README table and
/// the tests, so that no part exists without words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// The word that configuration uses, such as `ratio`.
    pub name: &'static str,
    /// One plain sentence, ending in a full stop.
    pub description: &'static str,
    /// A snippet (YAML for configured parts, one log line for formats) that loads as it stands.
    pub example: &'static str,
}
