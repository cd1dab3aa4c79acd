use narrowboat_guest::Error;

/// Reads pairs of hexadecimal digits.
pub(crate) fn decode(digits: &str) -> Result<Vec<u8>, Error> {
    digits.as_bytes().chunks(2).map(byte).collect()
}

fn byte(pair: &[u8]) -> Result<u8, Error> {
    let text = std::str::from_utf8(pair)?;
    if pair.len() != 2 {
        return Err(Error::msg("half a byte"));
    }
    Ok(u8::from_str_radix(text, 16)?)
}
