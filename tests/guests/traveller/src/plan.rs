//! The plan: words in the component's code that a test writes over, so that one build makes any
//! number of versions.

use std::sync::OnceLock;

/// Bytes the plan has room for.
const PLAN_BYTES: usize = 128;

/// What the build itself says. The first word behind the mark is the version's name.
const DEFAULT_PLAN: &[u8] = b"narrowboat traveller plan:v1";

#[used]
static PLAN: [u8; PLAN_BYTES] = filled_with_spaces();

const fn filled_with_spaces() -> [u8; PLAN_BYTES] {
    let mut plan = [b' '; PLAN_BYTES];
    let (words, _) = plan.split_at_mut(DEFAULT_PLAN.len());
    words.copy_from_slice(DEFAULT_PLAN);
    plan
}

/// What stands before the plan's own words.
const PLAN_PREFIX_BYTES: usize = "narrowboat traveller plan:".len();

/// The plan's words, read once: thousands of consumers ask for them in one go.
fn plan_words() -> &'static [&'static str] {
    static WORDS: OnceLock<Vec<&'static str>> = OnceLock::new();
    WORDS.get_or_init(|| {
        // Read where it lies: the compiler must not know what stands there.
        let plan = std::hint::black_box(&PLAN);
        std::str::from_utf8(&plan[PLAN_PREFIX_BYTES..])
            .unwrap_or_default()
            .split_whitespace()
            .collect()
    })
}

/// The version's name.
pub(crate) fn version() -> &'static str {
    plan_words().first().copied().unwrap_or_default()
}

/// The words behind the version's name.
fn directives() -> &'static [&'static str] {
    plan_words().get(1..).unwrap_or_default()
}

/// The number behind `word=` in the plan.
pub(crate) fn numeric_directive(word: &str) -> Option<u64> {
    directives().iter().find_map(|other| other.strip_prefix(word)?.strip_prefix('=')?.parse().ok())
}

/// Whether the plan has a word.
pub(crate) fn has_directive(word: &str) -> bool {
    directives().contains(&word)
}

/// Fails as the plan says of `moment`: `MOMENT-fails`, `MOMENT-traps` or `MOMENT-loops`.
pub(crate) fn fail_if_planned(moment: &str) -> Result<(), String> {
    let how = directives().iter().find_map(|word| word.strip_prefix(moment)?.strip_prefix('-'));
    match how {
        Some("fails") => return Err(format!("{} was told to fail at {moment}", version())),
        Some("traps") => panic!("{} was told to trap at {moment}", version()),
        Some("loops") => loop {
            std::hint::black_box(());
        },
        _ => {}
    }
    Ok(())
}

/// Rounds of work that one of a plan's units stands for: a tenth of a millisecond or two.
const ROUNDS_PER_UNIT: u64 = 100_000;

/// Works as long as the number behind `word=` says, in units of [`ROUNDS`].
pub(crate) fn burn_cpu(word: &str) {
    for round in 0..numeric_directive(word).unwrap_or(0) * ROUNDS_PER_UNIT {
        std::hint::black_box(round);
    }
}
