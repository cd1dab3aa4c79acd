//! The rules for the names of channels and groups, which are those of Django Channels.

/// The longest name, in characters.
const MAX_LENGTH: usize = 99;

/// Checks the name of a group.
///
/// # Errors
/// The rule that the name breaks.
pub(crate) fn check_group(name: &str) -> Result<(), String> {
    if name.is_empty() {
        return Err("a name is empty".to_owned());
    }
    if name.chars().count() > MAX_LENGTH {
        return Err(format!("the name {name:?} is longer than {MAX_LENGTH} characters"));
    }
    let is_allowed = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
    match name.chars().find(|letter| !is_allowed(*letter)) {
        Some('!') => Err(format!(
            "the name {name:?} has a '!'; only a channel may have one '!', after its first part"
        )),
        Some(letter) => Err(format!(
            "the name {name:?} has {letter:?}; ASCII letters, digits, '.', '_' and '-' are allowed"
        )),
        None => Ok(()),
    }
}

/// Checks the name of a channel, which may have one `!`.
///
/// # Errors
/// The rule that the name breaks.
pub(crate) fn check_channel(name: &str) -> Result<(), String> {
    match name.split_once('!') {
        Some(("", _)) => check_group(name),
        Some((process, rest)) => check_group(&format!("{process}.{rest}")),
        None => check_group(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_at_most_99_ascii_letters_digits_and_marks() {
        assert!(check_group("chat_a.b-C9").is_ok() && check_group(&"a".repeat(99)).is_ok());
        for name in ["", "a b", "ä", "a!b", &"a".repeat(100)] {
            assert!(check_group(name).is_err(), "{name}");
        }
    }

    #[test]
    fn only_the_name_of_a_channel_may_have_one_exclamation_mark() {
        assert!(check_channel("specific.1!2").is_ok() && check_channel("jobs").is_ok());
        for name in ["!a", "a!b!c", "a b!c"] {
            assert!(check_channel(name).is_err(), "{name}");
        }
    }
}
