//! URLs, by the URL Standard.

use rquickjs::prelude::{Func, Opt};
use rquickjs::{Object, Result};
use url::{Url, quirks};

pub fn add_to<'js>(natives: &Object<'js>) -> Result<()> {
    natives.set("urlParse", Func::from(parse))?;
    natives.set("urlSet", Func::from(set))
}

/// Parses a URL, and returns its parts. `None` if it is not valid.
fn parse(text: String, base: Opt<Option<String>>) -> Option<Vec<String>> {
    let url = match base.0.flatten() {
        Some(base) => Url::parse(&base).ok()?.join(&text),
        None => Url::parse(&text),
    };
    Some(parts(&url.ok()?))
}

/// The parts in the order of the constants of `web-url.js`.
fn parts(url: &Url) -> Vec<String> {
    let parts = [
        quirks::href(url),
        &quirks::origin(url),
        quirks::protocol(url),
        quirks::username(url),
        quirks::password(url),
        quirks::host(url),
        quirks::hostname(url),
        quirks::port(url),
        quirks::pathname(url),
        quirks::search(url),
        quirks::hash(url),
    ];
    parts.map(str::to_owned).to_vec()
}

/// Sets a part of a URL, and returns the parts. A value that is not valid changes nothing.
fn set(href: String, part: String, value: String) -> Option<Vec<String>> {
    let mut url = Url::parse(&href).ok()?;
    let set = match part.as_str() {
        "protocol" => quirks::set_protocol(&mut url, &value),
        "username" => quirks::set_username(&mut url, &value),
        "password" => quirks::set_password(&mut url, &value),
        "host" => quirks::set_host(&mut url, &value),
        "hostname" => quirks::set_hostname(&mut url, &value),
        "port" => quirks::set_port(&mut url, &value),
        "pathname" => {
            quirks::set_pathname(&mut url, &value);
            Ok(())
        }
        "search" => {
            quirks::set_search(&mut url, &value);
            Ok(())
        }
        _ => {
            quirks::set_hash(&mut url, &value);
            Ok(())
        }
    };
    // The standard ignores a value that is not valid.
    let _ = set;
    Some(parts(&url))
}
