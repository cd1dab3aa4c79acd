//! Starts with 8 MiB of data. `?touch=N` in the query string makes `connect` write to the first N MiB of them, and a text
//! `touch N` makes `receive` do so. A text `keep N` writes to them and never returns. Any other text is an echo.

use std::sync::atomic::{AtomicU64, Ordering};

use narrowboat_guest::prelude::*;

/// The size of the data, in mebibytes.
const SIZE: usize = 8;

/// Words in one mebibyte.
const WORDS_PER_MEBIBYTE: usize = (1 << 20) / size_of::<u64>();

/// Words in one page of the host.
const WORDS_PER_PAGE: usize = 4096 / size_of::<u64>();

/// The data. They are not zero, so they are part of the component and of the image that instances share.
static DATA: [AtomicU64; SIZE * WORDS_PER_MEBIBYTE] =
    [const { AtomicU64::new(1) }; SIZE * WORDS_PER_MEBIBYTE];

#[derive(Serialize, Deserialize)]
struct Archive;

impl Consumer for Archive {
    type Message = NoMessage;

    fn connect(scope: &Scope, _: &Connection) -> Result<Accept<Self>, Deny> {
        let size = scope.query_param("touch").and_then(|size| size.parse().ok());
        touch(size.unwrap_or_default());
        Ok(accept(Archive))
    }

    fn receive_text(&mut self, connection: &Connection, text: String) -> Result<(), Error> {
        if let Some(size) = text.strip_prefix("touch ") {
            touch(size.parse()?);
        }
        if let Some(size) = text.strip_prefix("keep ") {
            touch(size.parse()?);
            loop {
                std::hint::spin_loop();
            }
        }
        Ok(connection.send(text)?)
    }
}

/// Writes to each page of the first `size` mebibytes of the data.
fn touch(size: usize) {
    for word in DATA[..size * WORDS_PER_MEBIBYTE].iter().step_by(WORDS_PER_PAGE) {
        word.fetch_add(1, Ordering::Relaxed);
    }
}

narrowboat_guest::export!(Archive);
