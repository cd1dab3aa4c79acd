/// The result of a swap to another version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SwapReport {
    /// A name of the new version, for messages.
    pub version: String,
    /// The number of consumers that have moved to the new version.
    pub moved: u32,
}
