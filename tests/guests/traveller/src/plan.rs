//! The plan: words in the component's code that a test writes over, so that one build makes any
//! number of versions.

/// Bytes the plan has room for.
const ROOM: usize = 128;

/// What the build itself says. The first word behind the mark is the version's name.
const FIRST: &[u8] = b"narrowboat traveller plan:v1";

#[used]
static PLAN: [u8; ROOM] = filled_with_spaces();

const fn filled_with_spaces() -> [u8; ROOM] {
    let mut plan = [b' '; ROOM];
    let (words, _) = plan.split_at_mut(FIRST.len());
    words.copy_from_slice(FIRST);
    plan
}

/// What stands before the plan's own words.
const MARK: usize = "narrowboat traveller plan:".len();

fn words() -> impl Iterator<Item = &'static str> {
    // Read where it lies: the compiler must not know what stands there.
    let plan = std::hint::black_box(&PLAN);
    std::str::from_utf8(&plan[MARK..]).unwrap_or_default().split_whitespace()
}

/// The version's name.
pub(crate) fn version() -> &'static str {
    words().next().unwrap_or_default()
}

/// Whether the plan has this word.
pub(crate) fn says(word: &str) -> bool {
    words().skip(1).any(|other| other == word)
}

/// The number behind `word=` in the plan.
pub(crate) fn number(word: &str) -> Option<u64> {
    words().find_map(|other| other.strip_prefix(word)?.strip_prefix('=')?.parse().ok())
}

/// Fails as the plan says of `moment`: `MOMENT-fails`, `MOMENT-traps` or `MOMENT-loops`.
pub(crate) fn at(moment: &str) -> Result<(), String> {
    if says(&format!("{moment}-fails")) {
        return Err(format!("{} was told to fail at {moment}", version()));
    }
    assert!(!says(&format!("{moment}-traps")), "{} was told to trap at {moment}", version());
    while says(&format!("{moment}-loops")) {
        std::hint::black_box(());
    }
    Ok(())
}

/// Rounds of work that one of a plan's units stands for: a tenth of a millisecond or two.
const ROUNDS: u64 = 100_000;

/// Works as long as the number behind `word=` says, in units of [`ROUNDS`].
pub(crate) fn work(word: &str) {
    for round in 0..number(word).unwrap_or(0) * ROUNDS {
        std::hint::black_box(round);
    }
}
