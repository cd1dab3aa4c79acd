//! Encodes values of JavaScript as MessagePack.

use rquickjs::function::This;
use rquickjs::{Array, Ctx, Function, Object, Result, Value};

use super::{MAX_DEPTH, type_error};
use crate::natives::copy_bytes;

/// Converts a string to UTF-8, or returns an error for half of a surrogate pair.
pub type TextConversion = fn(&rquickjs::String<'_>) -> Result<String>;

/// The largest whole number that a number of JavaScript has exactly.
const MAX_SAFE_INTEGER: f64 = 9_007_199_254_740_991.0;

/// Encodes a value.
///
/// # Errors
/// A TypeError for a value that MessagePack has no form for, and the errors of `convert`.
pub fn pack<'js>(ctx: &Ctx<'js>, value: &Value<'js>, convert: TextConversion) -> Result<Vec<u8>> {
    let mut packer = Packer { ctx, convert, out: Vec::with_capacity(128) };
    packer.pack_value(value, 0)?;
    Ok(packer.out)
}

struct Packer<'a, 'js> {
    ctx: &'a Ctx<'js>,
    convert: TextConversion,
    out: Vec<u8>,
}

impl<'js> Packer<'_, 'js> {
    fn pack_value(&mut self, value: &Value<'js>, depth: usize) -> Result<()> {
        if depth > MAX_DEPTH {
            return Err(type_error(self.ctx, "the value is nested too deep, or contains itself"));
        }
        if value.is_null() || value.is_undefined() {
            written(rmp::encode::write_nil(&mut self.out));
        } else if let Some(flag) = value.as_bool() {
            written(rmp::encode::write_bool(&mut self.out, flag));
        } else if let Some(number) = value.as_int() {
            written(rmp::encode::write_sint(&mut self.out, i64::from(number)));
        } else if let Some(number) = value.as_float() {
            self.pack_number(number);
        } else if let Some(text) = value.as_string() {
            self.pack_text(text)?;
        } else if let Some(number) = value.as_big_int() {
            written(rmp::encode::write_sint(&mut self.out, number.clone().to_i64()?));
        } else if let Some(array) = value.as_array() {
            self.pack_array(array, depth)?;
        } else if let Some(object) = value.as_object().filter(|_| !value.is_function()) {
            self.pack_object(object, depth)?;
        } else {
            return Err(type_error(self.ctx, "a function or a symbol cannot be in a message"));
        }
        Ok(())
    }

    fn pack_number(&mut self, number: f64) {
        let is_negative_zero = number == 0.0 && number.is_sign_negative();
        if number.fract() == 0.0 && number.abs() <= MAX_SAFE_INTEGER && !is_negative_zero {
            written(rmp::encode::write_sint(&mut self.out, number as i64));
        } else {
            written(rmp::encode::write_f64(&mut self.out, number));
        }
    }

    fn pack_text(&mut self, text: &rquickjs::String<'js>) -> Result<()> {
        let text = (self.convert)(text)?;
        written(rmp::encode::write_str(&mut self.out, &text));
        Ok(())
    }

    fn pack_array(&mut self, array: &Array<'js>, depth: usize) -> Result<()> {
        written(rmp::encode::write_array_len(&mut self.out, length_of(array.len())));
        for index in 0..array.len() {
            self.pack_value(&array.get::<Value<'js>>(index)?, depth + 1)?;
        }
        Ok(())
    }

    fn pack_object(&mut self, object: &Object<'js>, depth: usize) -> Result<()> {
        if let Some(bytes) = copy_bytes(object.as_value()) {
            written(rmp::encode::write_bin(&mut self.out, &bytes));
            return Ok(());
        }
        if let Ok(Some(to_json)) = object.get::<_, Option<Function<'js>>>("toJSON") {
            let plain: Value<'js> = to_json.call((This(object.clone()),))?;
            return self.pack_value(&plain, depth + 1);
        }
        let is_left_out = |value: &Value<'js>| value.is_undefined() || value.is_function();
        let entries = object
            .props::<rquickjs::String<'js>, Value<'js>>()
            .filter(|entry| !matches!(entry, Ok((_, value)) if is_left_out(value)))
            .collect::<Result<Vec<_>>>()?;
        written(rmp::encode::write_map_len(&mut self.out, length_of(entries.len())));
        for (key, value) in entries {
            self.pack_text(&key)?;
            self.pack_value(&value, depth + 1)?;
        }
        Ok(())
    }
}

fn length_of(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// Writing to a vector does not fail.
fn written<T, E>(result: std::result::Result<T, E>) {
    let _ = result;
}
