//! Converts values of JavaScript to MessagePack and back.

use crate::natives::copy_bytes;
use rquickjs::{
    Array, BigInt, Ctx, Exception, IntoJs, Object, Result, TypedArray, Value, function::This,
};

/// How deep values may be nested.
const MAX_DEPTH: usize = 64;

/// Encodes a value.
///
/// # Errors
/// A TypeError for a value that MessagePack has no form for.
pub fn pack<'js>(ctx: &Ctx<'js>, value: &Value<'js>) -> Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(128);
    pack_value(ctx, value, &mut bytes, 0)?;
    Ok(bytes)
}

/// Decodes a value.
///
/// # Errors
/// A TypeError if the bytes are no MessagePack.
pub fn unpack<'js>(ctx: &Ctx<'js>, bytes: &[u8]) -> Result<Value<'js>> {
    let mut rest = bytes;
    let value = unpack_value(ctx, &mut rest, 0)?;
    Ok(value)
}

fn type_error(ctx: &Ctx<'_>, message: &str) -> rquickjs::Error {
    Exception::throw_type(ctx, message)
}

fn pack_value<'js>(
    ctx: &Ctx<'js>,
    value: &Value<'js>,
    out: &mut Vec<u8>,
    depth: usize,
) -> Result<()> {
    if depth > MAX_DEPTH {
        return Err(type_error(ctx, "the value is nested too deep, or contains itself"));
    }
    if value.is_null() || value.is_undefined() {
        write_all(rmp::encode::write_nil(out))
    } else if let Some(flag) = value.as_bool() {
        write_all(rmp::encode::write_bool(out, flag));
    } else if let Some(number) = value.as_int() {
        write_all(rmp::encode::write_sint(out, i64::from(number)).map(|_| ()));
    } else if let Some(number) = value.as_float() {
        pack_number(number, out);
    } else if let Some(text) = value.as_string() {
        write_all(rmp::encode::write_str(out, &text.to_string()?));
    } else if let Some(number) = value.as_big_int() {
        write_all(rmp::encode::write_sint(out, number.clone().to_i64()?).map(|_| ()));
    } else if let Some(array) = value.as_array() {
        write_all(rmp::encode::write_array_len(out, length_of(array.len())).map(|_| ()));
        for index in 0..array.len() {
            pack_value(ctx, &array.get::<Value<'js>>(index)?, out, depth + 1)?;
        }
    } else if let Some(object) = value.as_object().filter(|_| !value.is_function()) {
        pack_object(ctx, object, out, depth)?;
    } else {
        return Err(type_error(ctx, "a function or a symbol cannot be in a message"));
    }
    Ok(())
}

fn length_of(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// Writing to a vector does not fail.
fn write_all<T, E>(written: std::result::Result<T, E>) {
    let _ = written;
}

fn pack_number(number: f64, out: &mut Vec<u8>) {
    const MAX_SAFE: f64 = 9_007_199_254_740_991.0;
    if number.fract() == 0.0
        && number.abs() <= MAX_SAFE
        && !(number == 0.0 && number.is_sign_negative())
    {
        write_all(rmp::encode::write_sint(out, number as i64).map(|_| ()));
    } else {
        write_all(rmp::encode::write_f64(out, number));
    }
}

fn pack_object<'js>(
    ctx: &Ctx<'js>,
    object: &Object<'js>,
    out: &mut Vec<u8>,
    depth: usize,
) -> Result<()> {
    if let Some(bytes) = copy_bytes(object.as_value()) {
        write_all(rmp::encode::write_bin(out, &bytes));
        return Ok(());
    }
    if let Ok(Some(to_json)) = object.get::<_, Option<rquickjs::Function<'js>>>("toJSON") {
        let plain: Value<'js> = to_json.call((This(object.clone()),))?;
        return pack_value(ctx, &plain, out, depth + 1);
    }
    let entries = object
        .props::<String, Value<'js>>()
        .filter(
            |entry| !matches!(entry, Ok((_, value)) if value.is_undefined() || value.is_function()),
        )
        .collect::<Result<Vec<_>>>()?;
    write_all(rmp::encode::write_map_len(out, length_of(entries.len())).map(|_| ()));
    for (key, value) in entries {
        write_all(rmp::encode::write_str(out, &key));
        pack_value(ctx, &value, out, depth + 1)?;
    }
    Ok(())
}

fn unpack_value<'js>(ctx: &Ctx<'js>, rest: &mut &[u8], depth: usize) -> Result<Value<'js>> {
    use rmp::Marker;
    if depth > MAX_DEPTH {
        return Err(type_error(ctx, "the message is nested too deep"));
    }
    let damaged = || type_error(ctx, "the message is not MessagePack");
    let (&first, _) = rest.split_first().ok_or_else(damaged)?;
    match Marker::from_u8(first) {
        Marker::Null => {
            take(rest, 1);
            Ok(Value::new_null(ctx.clone()))
        }
        Marker::True | Marker::False => {
            take(rest, 1);
            (first == Marker::True.to_u8()).into_js(ctx)
        }
        Marker::F32 => rmp::decode::read_f32(rest).map_err(|_| damaged())?.into_js(ctx),
        Marker::F64 => rmp::decode::read_f64(rest).map_err(|_| damaged())?.into_js(ctx),
        Marker::U64 => {
            integer(ctx, i128::from(rmp::decode::read_u64(rest).map_err(|_| damaged())?))
        }
        Marker::FixPos(_)
        | Marker::FixNeg(_)
        | Marker::U8
        | Marker::U16
        | Marker::U32
        | Marker::I8
        | Marker::I16
        | Marker::I32
        | Marker::I64 => {
            integer(ctx, i128::from(rmp::decode::read_int::<i64, _>(rest).map_err(|_| damaged())?))
        }
        Marker::FixStr(_) | Marker::Str8 | Marker::Str16 | Marker::Str32 => {
            let length = rmp::decode::read_str_len(rest).map_err(|_| damaged())? as usize;
            let bytes = take_bytes(rest, length).ok_or_else(damaged)?;
            String::from_utf8_lossy(bytes).as_ref().into_js(ctx)
        }
        Marker::Bin8 | Marker::Bin16 | Marker::Bin32 => {
            let length = rmp::decode::read_bin_len(rest).map_err(|_| damaged())? as usize;
            let bytes = take_bytes(rest, length).ok_or_else(damaged)?;
            TypedArray::<u8>::new_copy(ctx.clone(), bytes)?.into_js(ctx)
        }
        Marker::FixArray(_) | Marker::Array16 | Marker::Array32 => {
            let length = rmp::decode::read_array_len(rest).map_err(|_| damaged())?;
            let array = Array::new(ctx.clone())?;
            for index in 0..length as usize {
                array.set(index, unpack_value(ctx, rest, depth + 1)?)?;
            }
            array.into_js(ctx)
        }
        Marker::FixMap(_) | Marker::Map16 | Marker::Map32 => unpack_map(ctx, rest, depth),
        _ => Err(type_error(
            ctx,
            "the message has a type of MessagePack that JavaScript has no value for",
        )),
    }
}

fn unpack_map<'js>(ctx: &Ctx<'js>, rest: &mut &[u8], depth: usize) -> Result<Value<'js>> {
    let length = rmp::decode::read_map_len(rest)
        .map_err(|_| type_error(ctx, "the message is not MessagePack"))?;
    let object = Object::new(ctx.clone())?;
    for _ in 0..length {
        let key = unpack_value(ctx, rest, depth + 1)?;
        let value = unpack_value(ctx, rest, depth + 1)?;
        let key = match key.as_string() {
            Some(text) => text.to_string()?,
            None => key.get::<rquickjs::Coerced<String>>()?.0,
        };
        // A property of this name would be the prototype.
        if key != "__proto__" {
            object.set(key, value)?;
        }
    }
    object.into_js(ctx)
}

fn integer<'js>(ctx: &Ctx<'js>, number: i128) -> Result<Value<'js>> {
    const MAX_SAFE: i128 = 9_007_199_254_740_991;
    if let Ok(small) = i32::try_from(number) {
        return small.into_js(ctx);
    }
    if number.abs() <= MAX_SAFE {
        return (number as f64).into_js(ctx);
    }
    match i64::try_from(number) {
        Ok(large) => BigInt::from_i64(ctx.clone(), large)?.into_js(ctx),
        Err(_) => BigInt::from_u64(ctx.clone(), number as u64)?.into_js(ctx),
    }
}

fn take(rest: &mut &[u8], count: usize) {
    *rest = &rest[count..];
}

fn take_bytes<'a>(rest: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(count)?;
    *rest = left;
    Some(taken)
}
