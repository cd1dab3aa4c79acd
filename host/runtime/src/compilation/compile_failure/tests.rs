use super::*;

fn killed_by(signal: Signal, last_words: &str) -> CompileFailure {
    CompileFailure::from_end(Some(ExitStatus::from_raw(signal.as_raw())), last_words)
}

#[test]
fn the_end_of_the_processor_time_is_a_limit() {
    assert_eq!(killed_by(Signal::XCPU, ""), CompileFailure::OutOfTime);
}

#[test]
fn a_failed_allocation_is_a_limit() {
    let last_words = "memory allocation of 4096 bytes failed\n";
    assert_eq!(killed_by(Signal::ABORT, last_words), CompileFailure::OutOfMemory);
}

#[test]
fn a_crash_is_no_limit_and_quotes_the_last_words_on_one_line() {
    let overflow =
        "\nthread 'main' has overflowed its stack\nfatal runtime error: stack overflow\n";
    let CompileFailure::Ended { status, last_words } = killed_by(Signal::ABORT, overflow) else {
        panic!("a stack overflow is a crash");
    };
    assert!(status.contains("signal: 6"), "{status}");
    assert_eq!(
        last_words,
        "thread 'main' has overflowed its stack fatal runtime error: stack overflow"
    );
}
