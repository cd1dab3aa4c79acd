//! The plan: a text in the component's code that tests overwrite. So one build gives any number of versions.
//!
//! The first word is the name of the version. The other words are directives, such as `restore-fails` or `busy=5`.

use std::sync::OnceLock;

/// The size of the plan, in bytes.
const PLAN_BYTES: usize = 128;

/// The plan of the build itself. The prefix up to the colon marks the plan in the component.
const DEFAULT_PLAN: &[u8] = b"narrowboat traveller plan:v1";

#[used]
static PLAN: [u8; PLAN_BYTES] = filled_with_spaces();

const fn filled_with_spaces() -> [u8; PLAN_BYTES] {
    let mut plan = [b' '; PLAN_BYTES];
    let (start, _) = plan.split_at_mut(DEFAULT_PLAN.len());
    start.copy_from_slice(DEFAULT_PLAN);
    plan
}

/// The length of the prefix before the words of the plan, in bytes.
const PLAN_PREFIX_BYTES: usize = "narrowboat traveller plan:".len();

/// The words of the plan. They are split once, because thousands of consumers may read them at the same time.
fn plan_words() -> &'static [&'static str] {
    static WORDS: OnceLock<Vec<&'static str>> = OnceLock::new();
    WORDS.get_or_init(|| {
        // The black box keeps the compiler from using the value that it knows: tests overwrite it.
        let plan = std::hint::black_box(&PLAN);
        std::str::from_utf8(&plan[PLAN_PREFIX_BYTES..])
            .unwrap_or_default()
            .split_whitespace()
            .collect()
    })
}

/// The name of the version.
pub(crate) fn version() -> &'static str {
    plan_words().first().copied().unwrap_or_default()
}

/// The words after the name of the version.
fn directives() -> &'static [&'static str] {
    plan_words().get(1..).unwrap_or_default()
}

/// The number in the directive `word=NUMBER`, if the plan has one.
pub(crate) fn numeric_directive(word: &str) -> Option<u64> {
    directives().iter().find_map(|other| other.strip_prefix(word)?.strip_prefix('=')?.parse().ok())
}

/// Whether the plan has the directive `word`.
pub(crate) fn has_directive(word: &str) -> bool {
    directives().contains(&word)
}

/// Fails in the function `hook` if the plan has the directive `HOOK-fails`, `HOOK-traps` or `HOOK-loops`.
pub(crate) fn fail_if_planned(hook: &str) -> Result<(), String> {
    let failure = directives().iter().find_map(|word| word.strip_prefix(hook)?.strip_prefix('-'));
    match failure {
        Some("fails") => return Err(format!("{} was told to fail at {hook}", version())),
        Some("traps") => panic!("{} was told to trap at {hook}", version()),
        Some("loops") => loop {
            std::hint::black_box(());
        },
        _ => {}
    }
    Ok(())
}

/// The rounds in a unit of work, which takes 0.1 to 0.2 ms.
const ROUNDS_PER_UNIT: u64 = 100_000;

/// Works for the number of units in the directive `word=NUMBER`. A unit has [`ROUNDS_PER_UNIT`] rounds.
pub(crate) fn burn_cpu(word: &str) {
    for round in 0..numeric_directive(word).unwrap_or(0) * ROUNDS_PER_UNIT {
        std::hint::black_box(round);
    }
}
