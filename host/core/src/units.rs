//! Sizes and durations as a configuration has them: `"1 MiB"`, `"10s"`.
//!
//! The crates `bytesize` and `humantime` parse the values. Their own implementations of `Deserialize` are not used,
//! because their errors do not show an example of the right form.

mod byte_size;
mod duration_setting;
mod seconds_setting;

pub use byte_size::{ByteSize, InvalidByteSize};
pub use duration_setting::DurationSetting;
pub use seconds_setting::SecondsSetting;

#[cfg(test)]
mod tests;
