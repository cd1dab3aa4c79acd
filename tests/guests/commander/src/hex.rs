use narrowboat_guest::Error;

/// Decodes pairs of hexadecimal digits.
pub(crate) fn decode(digits: &str) -> Result<Vec<u8>, Error> {
    digits.as_bytes().chunks(2).map(decode_byte).collect()
}

fn decode_byte(pair: &[u8]) -> Result<u8, Error> {
    let text = std::str::from_utf8(pair)?;
    if pair.len() != 2 {
        return Err(Error::msg("odd number of hexadecimal digits"));
    }
    Ok(u8::from_str_radix(text, 16)?)
}
