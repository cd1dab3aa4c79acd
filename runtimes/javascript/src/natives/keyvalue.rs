//! The key-value store.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use narrowboat_guest::keyvalue::{self, Bucket, KeyPage, KeyValueError};
use rquickjs::prelude::{Func, Opt};
use rquickjs::{BigInt, Ctx, IntoJs, Object, Result, Value};

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
    natives.set("keyvalueListKeys", Func::from(list_keys))?;
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
fn list_keys<'js>(ctx: Ctx<'js>, name: String, cursor: Opt<Option<String>>) -> Result<Object<'js>> {
    let KeyPage { keys, cursor } =
        check(&ctx, bucket(&ctx, &name)?.list_keys(cursor.0.flatten().as_deref()))?;
    let page = Object::new(ctx)?;
    page.set("keys", keys)?;
    page.set("cursor", cursor)?;
    Ok(page)
}

/// Throws the error of the store.
fn check<T>(ctx: &Ctx<'_>, result: std::result::Result<T, KeyValueError>) -> Result<T> {
    result.map_err(|error| match error {
        KeyValueError::NoSuchStore => throw_with_code(
            ctx,
            "invalid-name",
            "the name of a bucket has 1 to 99 letters, digits, full stops, hyphens and underscores",
        ),
        KeyValueError::AccessDenied => throw_with_code(
            ctx,
            "access-denied",
            "the plugin may not use keyvalue: add keyvalue = true under [capabilities] in plugin.toml",
        ),
        KeyValueError::Other(text) => throw_with_code(ctx, "other", &text),
    })
}
