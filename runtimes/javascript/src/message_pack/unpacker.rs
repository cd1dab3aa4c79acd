//! Decodes MessagePack to values of JavaScript.

use rquickjs::{Array, BigInt, Ctx, IntoJs, Object, Result, TypedArray, Value};

use super::{MAX_DEPTH, type_error};
use crate::natives::text_of;

/// Decodes a value.
///
/// # Errors
/// A TypeError if the bytes are no MessagePack.
pub fn unpack<'js>(ctx: &Ctx<'js>, bytes: &[u8]) -> Result<Value<'js>> {
    let mut rest = bytes;
    unpack_value(ctx, &mut rest, 0)
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
            Some(text) => text_of(text)?,
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
