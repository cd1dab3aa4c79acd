use super::*;
use proptest::prelude::*;

/// A second implementation of the rule `[A-Za-z0-9._-]+(![A-Za-z0-9._-]*)?`.
fn is_channel(name: &str) -> bool {
    let word = |s: &str| s.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    let (first, rest) = name.split_once('!').unwrap_or((name, ""));
    name.chars().count() < 100 && !first.is_empty() && word(first) && word(rest)
}

fn is_group(name: &str) -> bool {
    is_channel(name) && !name.contains('!')
}

proptest! {
    #[test]
    fn channel_names_follow_the_rule(name in "[a-cA-C0-9._!/é-]{0,6}") {
        prop_assert_eq!(ChannelName::try_from(name.as_str()).is_ok(), is_channel(&name));
    }

    #[test]
    fn group_and_tenant_names_follow_the_rule(name in "[a-cA-C0-9._! -]{0,5}") {
        prop_assert_eq!(GroupName::try_from(name.as_str()).is_ok(), is_group(&name));
        prop_assert_eq!(Tenant::try_from(name.as_str()).is_ok(), is_group(&name));
    }

    #[test]
    fn no_text_causes_a_panic(name in any::<String>()) {
        prop_assert_eq!(name.parse::<ChannelName>().is_ok(), is_channel(&name));
    }

    #[test]
    fn valid_names_are_kept_unchanged(name in "[A-Za-z0-9._-]{1,49}(![A-Za-z0-9._-]{0,49})?") {
        let channel: ChannelName = name.parse().unwrap();
        prop_assert_eq!(channel.as_str(), name.as_str());
        prop_assert_eq!(channel.to_string(), name);
    }
}

#[test]
fn ninety_nine_characters_are_valid_and_a_hundred_are_not() {
    assert!("a".repeat(99).parse::<GroupName>().is_ok());
    let error = "a".repeat(100).parse::<GroupName>().unwrap_err();
    assert!(matches!(error, NameError::TooLong { len: 100, .. }), "{error}");
}

#[test]
fn an_error_has_the_character_and_its_position() {
    let error = "chat room".parse::<GroupName>().unwrap_err();
    assert!(
        matches!(error, NameError::BadCharacter { character: ' ', position: 4, .. }),
        "{error}"
    );
    for (name, at) in [("!a", 0), ("a!b!", 3)] {
        let error = name.parse::<ChannelName>().unwrap_err();
        assert!(
            matches!(error, NameError::MisplacedSeparator { position, .. } if position == at),
            "{error}"
        );
    }
    assert_eq!("".parse::<Tenant>().unwrap_err(), NameError::Empty);
}

#[test]
fn an_error_has_the_name_short_and_escaped() {
    let error = format!("\n{}", "x".repeat(5_000)).parse::<ChannelName>().unwrap_err();
    let text = error.to_string();
    assert!(text.len() < 200 && text.contains("\\n") && !text.contains('\n'), "{text}");
}

#[test]
fn unique_names_are_valid_and_differ() {
    let process = ProcessId::random();
    let (one, two) = (ChannelName::unique(&process), ChannelName::unique(&process));
    assert_ne!(one, two);
    assert_eq!(one.as_str().parse::<ChannelName>().unwrap(), one);
    assert!(one.is_process_local() && one.as_str().starts_with(&format!("specific.{process}!")));
    assert_eq!(one.as_str().len(), 9 + 32 + 1 + 32);
}
