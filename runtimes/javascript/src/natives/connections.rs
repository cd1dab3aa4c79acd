//! The connections of the instance.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use rquickjs::prelude::{Func, Opt};
use rquickjs::{Array, Ctx, Exception, Object, Result, Value};

use super::values::{Bytes, Frame, Text, read_headers};
use crate::bindings::narrowboat::consumer::connections::{self, Connection, SendError};
use crate::bindings::narrowboat::consumer::types::{
    Acceptance, ClientError, Error, Rejection, Scope,
};
use crate::failure;

/// The error that ends the connection of the event that runs.
pub type Outcome = std::result::Result<(), Error>;

#[derive(Default)]
struct Connections {
    last_id: u32,
    handles: HashMap<u32, Rc<Connection>>,
    /// The connection of the event that runs. 0 if there is none.
    current: u32,
    /// The error of its handlers.
    error: Option<Error>,
}

thread_local! {
    static CONNECTIONS: RefCell<Connections> = RefCell::default();
}

/// Adds a connection, and returns its number.
pub fn add_connection(handle: Connection) -> u32 {
    CONNECTIONS.with_borrow_mut(|connections| {
        connections.last_id += 1;
        connections.handles.insert(connections.last_id, Rc::new(handle));
        connections.last_id
    })
}

/// Removes a connection that has ended.
pub fn remove_connection(id: u32) {
    let removed = CONNECTIONS.with_borrow_mut(|connections| connections.handles.remove(&id));
    drop(removed);
}

/// Returns the handle of a connection. `None` after its end.
pub fn connection_handle(id: u32) -> Option<Rc<Connection>> {
    CONNECTIONS.with_borrow(|connections| connections.handles.get(&id).cloned())
}

/// Begins an event of a connection.
pub fn begin_event(id: u32) {
    CONNECTIONS
        .with_borrow_mut(|connections| (connections.current, connections.error) = (id, None));
}

/// Ends the event, and returns the error of its handlers.
pub fn end_event() -> Outcome {
    CONNECTIONS.with_borrow_mut(|connections| {
        connections.current = 0;
        connections.error.take().map_or(Ok(()), Err)
    })
}

pub fn add_to<'js>(natives: &Object<'js>) -> Result<()> {
    natives.set("channelName", Func::from(channel_name))?;
    natives.set("scope", Func::from(scope))?;
    natives.set("send", Func::from(send))?;
    natives.set("sendMany", Func::from(send_many))?;
    natives.set("sendEveryone", Func::from(send_everyone))?;
    natives.set("bufferedAmount", Func::from(buffered_amount))?;
    natives.set("close", Func::from(close))?;
    natives.set("accept", Func::from(accept))?;
    natives.set("reject", Func::from(reject))?;
    natives.set("setTimer", Func::from(set_timer))?;
    natives.set("clearTimer", Func::from(clear_timer))?;
    natives.set("fail", Func::from(fail))?;
    natives.set("failClient", Func::from(fail_client))?;
    natives.set("logFailure", Func::from(log_failure))?;
    Ok(())
}

fn channel_name(id: u32) -> Option<String> {
    connection_handle(id).map(|handle| handle.channel_name())
}

fn scope<'js>(ctx: Ctx<'js>, id: u32) -> Result<Option<Object<'js>>> {
    let scope = connection_handle(id).and_then(|handle| handle.scope());
    scope.map(|scope| scope_object(&ctx, scope)).transpose()
}

/// Returns the scope as an object of JavaScript.
pub fn scope_object<'js>(ctx: &Ctx<'js>, scope: Scope) -> Result<Object<'js>> {
    let object = Object::new(ctx.clone())?;
    object.set("scheme", scope.scheme)?;
    object.set("path", scope.path)?;
    object.set("rawPath", latin1(&scope.raw_path))?;
    object.set("queryString", latin1(&scope.query_string))?;
    let headers = Array::new(ctx.clone())?;
    for (index, (name, value)) in scope.headers.iter().enumerate() {
        headers.set(index, vec![name.clone(), latin1(value)])?;
    }
    object.set("headers", headers)?;
    object.set("subprotocols", scope.subprotocols)?;
    object.set("client", address(ctx, scope.client)?)?;
    object.set("server", address(ctx, scope.server)?)?;
    object.set("params", pairs(ctx, scope.url_route)?)?;
    object.set("user", scope.user)?;
    object.set("attributes", pairs(ctx, scope.attributes)?)?;
    Ok(object)
}

fn latin1(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

fn address<'js>(ctx: &Ctx<'js>, address: Option<(String, u16)>) -> Result<Option<Array<'js>>> {
    let Some((host, port)) = address else { return Ok(None) };
    let pair = Array::new(ctx.clone())?;
    pair.set(0, host)?;
    pair.set(1, port)?;
    Ok(Some(pair))
}

fn pairs<'js>(ctx: &Ctx<'js>, pairs: Vec<(String, String)>) -> Result<Object<'js>> {
    let object = Object::new(ctx.clone())?;
    for (name, value) in pairs {
        object.set(name, value)?;
    }
    Ok(object)
}

/// Sends a frame. Does nothing after the end of the connection.
fn send(ctx: Ctx<'_>, id: u32, frame: Frame) -> Result<()> {
    let Some(handle) = connection_handle(id) else { return Ok(()) };
    let (name, message) = match handle.send(&frame.0) {
        Ok(()) | Err(SendError::Closed) => return Ok(()),
        Err(SendError::Backpressure) => {
            ("Backpressure", "the outbound queue of the connection is full".to_owned())
        }
        Err(SendError::TooLarge(most)) => {
            ("FrameTooLarge", format!("the frame has more than {most} bytes"))
        }
        Err(SendError::Other(text)) => ("Error", text),
    };
    throw(&ctx, name, &message)
}

fn throw<T>(ctx: &Ctx<'_>, name: &str, message: &str) -> Result<T> {
    let error = Exception::from_message(ctx.clone(), message)?;
    error.as_object().set("name", name)?;
    Err(error.throw())
}

fn send_many(ids: Vec<u32>, frame: Frame) -> u32 {
    let handles: Vec<_> = ids.into_iter().filter_map(connection_handle).collect();
    let handles: Vec<_> = handles.iter().map(Rc::as_ref).collect();
    connections::send_many(&handles, &frame.0)
}

fn send_everyone(frame: Frame, without: Vec<u32>) -> u32 {
    let handles: Vec<_> = without.into_iter().filter_map(connection_handle).collect();
    let handles: Vec<_> = handles.iter().map(Rc::as_ref).collect();
    connections::send_everyone(&frame.0, &handles)
}

fn buffered_amount(id: u32) -> f64 {
    connection_handle(id).map_or(0.0, |handle| handle.buffered_amount() as f64)
}

fn close(id: u32, code: u16, reason: Text) {
    if let Some(handle) = connection_handle(id) {
        handle.close(code, &reason.0);
    }
}

fn accept(id: u32, subprotocol: Opt<Option<Text>>, headers: Opt<Vec<Vec<Text>>>) {
    if let Some(handle) = connection_handle(id) {
        let headers = read_headers(headers.0.unwrap_or_default());
        handle.accept(&Acceptance {
            subprotocol: subprotocol.0.flatten().map(|text| text.0),
            headers,
        });
    }
}

fn reject(id: u32, status: u16, headers: Vec<Vec<Text>>, body: Bytes) {
    if let Some(handle) = connection_handle(id) {
        handle.reject(&Rejection { status, headers: read_headers(headers), body: body.0 });
    }
}

fn set_timer(ctx: Ctx<'_>, id: u32, delay_ms: f64) -> Result<u32> {
    let Some(handle) = connection_handle(id) else {
        return throw(&ctx, "Error", "the connection has ended, so its code cannot wait for time");
    };
    let delay_ms = delay_ms.clamp(0.0, f64::from(u32::MAX)) as u32;
    match handle.set_timer(delay_ms) {
        Ok(timer) => Ok(timer),
        Err(error) => throw(&ctx, "Error", &format!("the host sets no timer: {error}")),
    }
}

fn clear_timer(id: u32, timer: u32) {
    if let Some(handle) = connection_handle(id) {
        handle.clear_timer(timer);
    }
}

/// Ends a connection, because a handler has thrown.
fn fail<'js>(id: u32, thrown: Value<'js>) {
    let failure = failure::of_value(&thrown);
    failure.log(None);
    end_with(id, Error::Plugin(failure.line));
}

/// Writes what a handler has thrown to the log.
fn log_failure<'js>(title: String, thrown: Value<'js>) {
    failure::of_value(&thrown).log(Some(&title));
}

/// Ends a connection, because its client broke a rule.
fn fail_client(id: u32, code: u16, reason: Text) {
    end_with(id, Error::Client(ClientError { code, reason: reason.0 }));
}

fn end_with(id: u32, error: Error) {
    let is_current = CONNECTIONS.with_borrow_mut(|connections| {
        let is_current = connections.current == id;
        if is_current && connections.error.is_none() {
            connections.error = Some(error.clone());
        }
        is_current
    });
    let Some(handle) = connection_handle(id).filter(|_| !is_current) else { return };
    match error {
        Error::Client(ClientError { code, reason }) => handle.close(code, &reason),
        // The host closes with 1011 for a code that a plugin may not use, and counts a fault.
        Error::Plugin(_) => handle.close(1011, ""),
    }
}
