//! Converts values between JavaScript and the contract.

use rquickjs::prelude::Func;
use rquickjs::{Ctx, Error, Exception, FromJs, IntoJs, Object, Result, TypedArray, Value};

use crate::bindings::narrowboat::consumer::types;
use crate::message_pack;

/// A copy of the bytes of a Uint8Array.
pub struct Bytes(pub Vec<u8>);

impl<'js> FromJs<'js> for Bytes {
    fn from_js(ctx: &Ctx<'js>, value: Value<'js>) -> Result<Self> {
        copy_bytes(&value)
            .map(Self)
            .ok_or_else(|| Exception::throw_type(ctx, "the value is not a Uint8Array"))
    }
}

impl<'js> IntoJs<'js> for Bytes {
    fn into_js(self, ctx: &Ctx<'js>) -> Result<Value<'js>> {
        TypedArray::<u8>::new(ctx.clone(), self.0)?.into_js(ctx)
    }
}

/// Copies the bytes of a Uint8Array. `None` for any other value.
pub fn copy_bytes(value: &Value<'_>) -> Option<Vec<u8>> {
    let array = value.as_object()?.as_typed_array::<u8>()?;
    // SAFETY: no code of JavaScript runs while the bytes are copied.
    unsafe { array.as_bytes() }.map(<[u8]>::to_vec)
}

/// A text. Half of a surrogate pair becomes U+FFFD, as in the APIs of the web platform.
pub struct Text(pub String);

impl<'js> FromJs<'js> for Text {
    fn from_js(ctx: &Ctx<'js>, value: Value<'js>) -> Result<Self> {
        match value.as_string() {
            Some(text) => text_of(text).map(Self),
            None => Err(Exception::throw_type(ctx, "the value is not a string")),
        }
    }
}

/// Returns the text of a string. Half of a surrogate pair becomes U+FFFD.
pub fn text_of(text: &rquickjs::String<'_>) -> Result<String> {
    match text.to_string() {
        Err(Error::Utf8(_)) => Ok(replace_surrogates(text.clone().to_cstring()?.as_ref())),
        converted => converted,
    }
}

/// Decodes UTF-8 in which QuickJS has encoded halves of surrogate pairs, as the bytes ED A0 80 to ED BF BF.
fn replace_surrogates(bytes: &[u8]) -> String {
    let mut rest = bytes;
    let mut text = String::with_capacity(bytes.len());
    while let Some(place) = rest.windows(2).position(|pair| pair[0] == 0xED && pair[1] >= 0xA0) {
        text.push_str(&String::from_utf8_lossy(&rest[..place]));
        text.push(char::REPLACEMENT_CHARACTER);
        rest = rest.get(place + 3..).unwrap_or_default();
    }
    text.push_str(&String::from_utf8_lossy(rest));
    text
}

/// A frame: a string, or the bytes of a Uint8Array.
pub struct Frame(pub types::Frame);

impl<'js> FromJs<'js> for Frame {
    fn from_js(ctx: &Ctx<'js>, value: Value<'js>) -> Result<Self> {
        if let Some(text) = value.as_string() {
            return Ok(Self(types::Frame::Text(text_of(text)?)));
        }
        match copy_bytes(&value) {
            Some(bytes) => Ok(Self(types::Frame::Binary(bytes))),
            None => Err(Exception::throw_type(ctx, "a frame is a string or a Uint8Array")),
        }
    }
}

impl<'js> IntoJs<'js> for Frame {
    fn into_js(self, ctx: &Ctx<'js>) -> Result<Value<'js>> {
        match self.0 {
            types::Frame::Text(text) => text.into_js(ctx),
            types::Frame::Binary(bytes) => Bytes(bytes).into_js(ctx),
        }
    }
}

/// Reads headers: an array of pairs of strings.
pub fn read_headers(pairs: Vec<Vec<Text>>) -> types::Headers {
    let pairs = pairs.into_iter().filter_map(|pair| <[Text; 2]>::try_from(pair).ok());
    pairs.map(|[name, value]| (name.0.to_lowercase(), value.0.into_bytes())).collect()
}

pub fn add_to<'js>(natives: &Object<'js>) -> Result<()> {
    natives.set("pack", Func::from(pack))?;
    natives.set("unpack", Func::from(unpack))?;
    natives.set("encodeUtf8", Func::from(encode_utf8))?;
    natives.set("decodeUtf8", Func::from(decode_utf8))?;
    Ok(())
}

/// Encodes a value. Half of a surrogate pair is an error, because state has to stay as it is.
fn pack<'js>(ctx: Ctx<'js>, value: Value<'js>) -> Result<Bytes> {
    message_pack::pack(&ctx, &value, |text| text.to_string()).map(Bytes)
}

fn unpack(ctx: Ctx<'_>, bytes: Bytes) -> Result<Value<'_>> {
    message_pack::unpack(&ctx, &bytes.0)
}

fn encode_utf8(text: Text) -> Bytes {
    Bytes(text.0.into_bytes())
}

/// Decodes UTF-8. With `is_strict`, bytes that are not UTF-8 are a TypeError; otherwise they become U+FFFD.
fn decode_utf8(ctx: Ctx<'_>, bytes: Bytes, is_strict: bool) -> Result<String> {
    match String::from_utf8(bytes.0) {
        Ok(text) => Ok(text),
        Err(_) if is_strict => Err(Exception::throw_type(&ctx, "the bytes are not UTF-8")),
        Err(error) => Ok(String::from_utf8_lossy(error.as_bytes()).into_owned()),
    }
}
