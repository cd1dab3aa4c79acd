//! Channel layers over Redis.

#[cfg_attr(
    not(test),
    expect(dead_code, unused_imports, reason = "no backend reads or writes it yet")
)]
mod wire;
