//! The key-value store.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use narrowboat_guest::keyvalue::{self, Bucket, KeyPage, KeyValueError, TimeToLive};
use rquickjs::prelude::Func;
use rquickjs::{BigInt, Ctx, Function, IntoJs, Object, Result, Value};

use super::thrown::throw_with_code;
use super::values::Bytes;

/// The most buckets that stay open.
const MAX_OPEN_BUCKETS: usize = 100;

/// The largest number up to which every whole number is exact in JavaScript.
const MAX_SAFE_INTEGER: i64 = 9_007_199_254_740_991;

thread_local! {
    static BUCKETS: RefCell<HashMap<String, Rc<Bucket>>> = RefCell::default();
}

pub fn add_to<'js>(natives: &Object<'js>) -> Result<()> {
    natives.set("keyvalueOpen", Func::from(open))?;
    natives.set("keyvalueGet", Func::from(get))?;
    natives.set("keyvalueSet", Func::from(set))?;
    natives.set("keyvalueDelete", Func::from(delete))?;
    natives.set("keyvalueExists", Func::from(exists))?;
    natives.set("keyvalueIncrement", Func::from(increment))?;
    natives.set("keyvalueListPage", Func::from(list_page))?;
    natives.set("keyvalueCompareAndSet", Func::from(compare_and_set))?;
    natives.set("keyvalueUpdate", Func::from(update))?;
    natives.set("keyvalueGetMany", Func::from(get_many))?;
    natives.set("keyvalueSetMany", Func::from(set_many))?;
    natives.set("keyvalueDeleteMany", Func::from(delete_many))?;
    natives.set("keyvalueSetWithTtl", Func::from(set_with_ttl))?;
    natives.set("keyvalueSetTtl", Func::from(set_ttl))?;
    natives.set("keyvalueTtl", Func::from(ttl))?;
    Ok(())
}

/// Returns an open bucket.
fn bucket(ctx: &Ctx<'_>, name: &str) -> Result<Rc<Bucket>> {
    if let Some(bucket) = BUCKETS.with_borrow(|buckets| buckets.get(name).cloned()) {
        return Ok(bucket);
    }
    let bucket = Rc::new(check(ctx, keyvalue::open(name))?);
    BUCKETS.with_borrow_mut(|buckets| {
        if buckets.len() >= MAX_OPEN_BUCKETS {
            buckets.clear();
        }
        buckets.insert(name.to_owned(), bucket.clone());
    });
    Ok(bucket)
}

fn open(ctx: Ctx<'_>, name: String) -> Result<()> {
    bucket(&ctx, &name).map(drop)
}

fn get(ctx: Ctx<'_>, name: String, key: String) -> Result<Option<Bytes>> {
    let value = check(&ctx, bucket(&ctx, &name)?.get(&key))?;
    Ok(value.map(Bytes))
}

fn set(ctx: Ctx<'_>, name: String, key: String, value: Bytes) -> Result<()> {
    check(&ctx, bucket(&ctx, &name)?.set(&key, value.0))
}

fn delete(ctx: Ctx<'_>, name: String, key: String) -> Result<()> {
    check(&ctx, bucket(&ctx, &name)?.delete(&key))
}

fn exists(ctx: Ctx<'_>, name: String, key: String) -> Result<bool> {
    check(&ctx, bucket(&ctx, &name)?.exists(&key))
}

/// Adds to a number. Returns a BigInt only if the sum is not exact as a number.
fn increment<'js>(
    ctx: Ctx<'js>,
    name: String,
    key: String,
    delta: BigInt<'js>,
) -> Result<Value<'js>> {
    let sum = check(&ctx, bucket(&ctx, &name)?.increment(&key, delta.to_i64()?))?;
    if sum.unsigned_abs() <= MAX_SAFE_INTEGER.unsigned_abs() {
        return (sum as f64).into_js(&ctx);
    }
    BigInt::from_i64(ctx.clone(), sum)?.into_js(&ctx)
}

/// Returns an object with a page of keys and the cursor of the next page.
fn list_page<'js>(
    ctx: Ctx<'js>,
    name: String,
    prefix: String,
    cursor: Option<String>,
    limit: u32,
) -> Result<Object<'js>> {
    let page = bucket(&ctx, &name)?.list(&prefix, cursor.as_deref(), limit);
    let KeyPage { keys, cursor } = check(&ctx, page)?;
    let page = Object::new(ctx)?;
    page.set("keys", keys)?;
    page.set("cursor", cursor)?;
    Ok(page)
}

fn compare_and_set(
    ctx: Ctx<'_>,
    name: String,
    key: String,
    expected: Option<Bytes>,
    value: Bytes,
) -> Result<bool> {
    let expected = expected.as_ref().map(|bytes| &*bytes.0);
    check(&ctx, bucket(&ctx, &name)?.compare_and_set(&key, expected, value.0))
}

/// Why an update failed.
enum UpdateError {
    Store(KeyValueError),
    /// The function of the plugin has thrown.
    Thrown(rquickjs::Error),
}

impl From<KeyValueError> for UpdateError {
    fn from(error: KeyValueError) -> Self {
        Self::Store(error)
    }
}

/// Sets a value to what a function makes of the earlier one.
fn update<'js>(ctx: Ctx<'js>, name: String, key: String, change: Function<'js>) -> Result<()> {
    let updated = bucket(&ctx, &name)?.try_update(&key, |value| {
        let value = value.map(|bytes| Bytes(bytes.to_vec()));
        let value = change.call::<_, Bytes>((value,)).map_err(UpdateError::Thrown)?;
        Ok::<_, UpdateError>(value.0)
    });
    match updated {
        Ok(_) => Ok(()),
        Err(UpdateError::Store(error)) => check(&ctx, Err(error)),
        Err(UpdateError::Thrown(error)) => Err(error),
    }
}

/// Returns the values in the order of the keys.
fn get_many(ctx: Ctx<'_>, name: String, keys: Vec<String>) -> Result<Vec<Option<Bytes>>> {
    let values = check(&ctx, bucket(&ctx, &name)?.get_many(&keys))?;
    Ok(values.into_iter().map(|value| value.map(Bytes)).collect())
}

fn set_many(ctx: Ctx<'_>, name: String, keys: Vec<String>, values: Vec<Bytes>) -> Result<()> {
    let values = values.into_iter().map(|value| value.0);
    check(&ctx, bucket(&ctx, &name)?.set_many(keys.into_iter().zip(values)))
}

fn delete_many(ctx: Ctx<'_>, name: String, keys: Vec<String>) -> Result<()> {
    check(&ctx, bucket(&ctx, &name)?.delete_many(&keys))
}

fn set_with_ttl(
    ctx: Ctx<'_>,
    name: String,
    key: String,
    value: Bytes,
    milliseconds: f64,
) -> Result<()> {
    let ttl = Duration::from_millis(milliseconds as u64);
    check(&ctx, bucket(&ctx, &name)?.set_with_ttl(&key, value.0, ttl))
}

fn set_ttl(ctx: Ctx<'_>, name: String, key: String, milliseconds: Option<f64>) -> Result<bool> {
    let ttl = milliseconds.map(|milliseconds| Duration::from_millis(milliseconds as u64));
    check(&ctx, bucket(&ctx, &name)?.set_ttl(&key, ttl))
}

/// Returns the milliseconds that a key has left, or nothing if there is no such key.
fn ttl(ctx: Ctx<'_>, name: String, key: String) -> Result<Option<f64>> {
    Ok(match check(&ctx, bucket(&ctx, &name)?.ttl(&key))? {
        TimeToLive::Missing => None,
        TimeToLive::Unlimited => Some(f64::INFINITY),
        TimeToLive::Remaining(left) => Some(left.as_millis() as f64),
    })
}

/// Throws the error of the store.
fn check<T>(ctx: &Ctx<'_>, result: std::result::Result<T, KeyValueError>) -> Result<T> {
    result.map_err(|error| match &error {
        KeyValueError::NoSuchStore(_) => {
            throw_with_code(ctx, "invalid-name", &error.to_string())
        }
        KeyValueError::AccessDenied => throw_with_code(
            ctx,
            "access-denied",
            "the plugin may not use keyvalue: add keyvalue = true under [capabilities] in plugin.toml",
        ),
        KeyValueError::Unavailable(text) => throw_with_code(ctx, "unavailable", text),
        KeyValueError::Other(text) => throw_with_code(ctx, "other", text),
    })
}
