use crate::log::Level;

/// A line of the plugin's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// The level of the line.
    pub level: Level,
    /// The origin of the line, such as a module path.
    pub context: String,
    /// The text of the line.
    pub message: String,
}
