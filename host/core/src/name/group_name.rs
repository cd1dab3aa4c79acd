//! Names of groups.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::name_error::NameError;
use super::name_type::{check_name, name_type, no_separator};

name_type! {
    /// The name of a group: `[A-Za-z0-9._-]+`, at most 99 characters. A clone shares the text.
    GroupName, no_separator
}
