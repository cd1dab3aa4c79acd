//! The page `docs/reference/admin-api.md`, from the OpenAPI document and a template.
//!
//! The template has the prose. A line with a placeholder becomes a generated part:
//!
//! - `{{ paths }}`: the table of all paths
//! - `{{ operation METHOD PATH }}`: the description, parameters, body and responses of one operation
//! - `{{ schema NAME }}`: the fields of one schema

use serde_json::{Map, Value};

use crate::admin::openapi_document;
use narrowboat_config::{escape_cell, expand_template};

const TEMPLATE: &str = include_str!("admin_api.md.in");

/// The page `docs/reference/admin-api.md`.
pub fn admin_api_reference() -> String {
    let document = serde_json::to_value(openapi_document()).unwrap_or_default();
    let generator = Generator { document: &document };
    expand_template(TEMPLATE, |placeholder| generator.part(placeholder))
}

/// Generates parts of the page from an OpenAPI document.
struct Generator<'a> {
    document: &'a Value,
}

impl Generator<'_> {
    /// The part of the page for a placeholder. `None` means that the placeholder is not known.
    fn part(&self, placeholder: &str) -> Option<String> {
        let part = match placeholder.split_once(' ') {
            None if placeholder == "paths" => self.paths(),
            Some(("schema", name)) => self.schema(name),
            Some(("operation", name)) => self.operation(name),
            _ => return None,
        };
        Some(part.trim_end().to_owned())
    }

    /// All operations: method, path and description object.
    fn operations(&self) -> impl Iterator<Item = (String, &str, &Value)> {
        object(&self.document["paths"]).into_iter().flatten().flat_map(|(path, item)| {
            let methods = object(item).into_iter().flatten();
            methods
                .map(move |(method, operation)| (method.to_uppercase(), path.as_str(), operation))
        })
    }

    /// The table of all paths, with the scope and the successful response of each.
    fn paths(&self) -> String {
        let mut table = "| Method and path | Scope | Response |\n|---|---|---|\n".to_owned();
        for (method, path, operation) in self.operations() {
            let scope = match scope(&description(operation)) {
                Some(scope) => format!("`{scope}`"),
                None => "no token".to_owned(),
            };
            let responses = object(&operation["responses"]);
            let success =
                responses.into_iter().flatten().find(|(status, _)| status.starts_with('2'));
            let response = success.map(|(status, response)| match body_type(response) {
                Some(body) => format!("{status} {body}"),
                None => status.clone(),
            });
            let anchor = match path.starts_with("/v1/") {
                true => anchor(&format!("{method} {path}")),
                false => "probes-and-metrics".to_owned(),
            };
            let response = response.unwrap_or_default();
            table += &format!("| [`{method} {path}`](#{anchor}) | {scope} | {response} |\n");
        }
        table
    }

    /// The description, parameters, body and responses of an operation, named `METHOD PATH`.
    fn operation(&self, name: &str) -> String {
        let found = self.operations().find(|(method, path, _)| format!("{method} {path}") == name);
        let Some((_, _, operation)) = found else { return format!("{{{{ operation {name} }}}}") };
        let mut part = format!("{}\n", description(operation));
        let parameters = operation["parameters"].as_array().map_or(&[][..], Vec::as_slice);
        if !parameters.is_empty() {
            part += "\n| Parameter | In | Type | Meaning |\n|---|---|---|---|\n";
        }
        for parameter in parameters {
            let (name, location) = (text(parameter, "name"), text(parameter, "in"));
            let (kind, meaning) = (type_name(&parameter["schema"]), table_cell(parameter));
            part += &format!("| `{name}` | {location} | {kind} | {meaning} |\n");
        }
        if let Some(body) = body_type(&operation["requestBody"]) {
            let meaning = text(&operation["requestBody"], "description");
            let separator = if meaning.is_empty() { "" } else { ": " };
            part += &format!("\nBody: {body}{separator}{meaning}.\n");
        }
        part += "\n| Status | Body | When |\n|---|---|---|\n";
        for (status, response) in object(&operation["responses"]).into_iter().flatten() {
            let body = body_type(response).unwrap_or_else(|| "none".to_owned());
            part += &format!("| {status} | {body} | {} |\n", table_cell(response));
        }
        part
    }

    /// The fields of a schema.
    fn schema(&self, name: &str) -> String {
        let schema = &self.document["components"]["schemas"][name];
        let mut part = format!("{}\n", description(schema));
        if let Some(variants) = schema["oneOf"].as_array() {
            part += "\n| Value | Meaning |\n|---|---|\n";
            for variant in variants {
                let value = variant["enum"][0].as_str().unwrap_or_default();
                part += &format!("| `{value}` | {} |\n", table_cell(variant));
            }
        }
        if let Some(values) = schema["enum"].as_array() {
            let values = values.iter().filter_map(Value::as_str);
            let values: Vec<_> = values.map(|value| format!("`{value}`")).collect();
            part += &format!("\nOne of {}.\n", values.join(", "));
        }
        if let Some(fields) = schema["properties"].as_object() {
            part += "\n| Field | Type | Meaning |\n|---|---|---|\n";
            for (field, property) in fields {
                let (kind, meaning) = (type_name(property), table_cell(property));
                part += &format!("| `{field}` | {kind} | {meaning} |\n");
            }
        }
        part
    }
}

fn object(value: &Value) -> Option<&Map<String, Value>> {
    value.as_object()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

/// The description of an operation or a schema, as one line.
fn description(value: &Value) -> String {
    let text = [text(value, "summary"), text(value, "description")].join(" ");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The description as the cell of a table.
fn table_cell(value: &Value) -> String {
    let own = description(value);
    // The description of a field with a named schema stands beside the reference.
    let choices = value["oneOf"].as_array().into_iter().flatten();
    let text = choices.map(description).fold(own, |text, choice| text + &choice);
    let text = escape_cell(&text);
    text.strip_suffix('.').unwrap_or(&text).to_owned()
}

/// The scope that a description names.
fn scope(description: &str) -> Option<&str> {
    let (_, rest) = description.split_once("scope `")?;
    rest.split_once('`').map(|(scope, _)| scope)
}

/// The type of the body of a request or a response.
fn body_type(value: &Value) -> Option<String> {
    let types = value["content"].as_object()?.iter().map(|(media_type, content)| {
        match type_name(&content["schema"]) {
            name if media_type == "application/json" => name,
            name if name.starts_with('[') => format!("lines of {name} (`{media_type}`)"),
            _ => format!("`{media_type}`"),
        }
    });
    Some(types.collect::<Vec<_>>().join(" or "))
}

/// The type of a schema: a link to the section of a named one, or the name of a JSON type.
fn type_name(schema: &Value) -> String {
    if let Some(reference) = schema["$ref"].as_str() {
        let name = reference.rsplit('/').next().unwrap_or_default();
        return format!("[`{name}`](#{})", name.to_lowercase());
    }
    for key in ["oneOf", "allOf", "anyOf"] {
        if let Some(choices) = schema[key].as_array() {
            return choices.iter().map(type_name).collect::<Vec<_>>().join(" or ");
        }
    }
    let name = |name: &str| match name {
        "array" => format!("list of {}", type_name(&schema["items"])),
        "integer" | "number" => "number".to_owned(),
        "string" => "text".to_owned(),
        other => other.to_owned(),
    };
    match &schema["type"] {
        Value::String(kind) => name(kind),
        Value::Array(kinds) => {
            kinds.iter().filter_map(Value::as_str).map(name).collect::<Vec<_>>().join(" or ")
        }
        _ => "any".to_owned(),
    }
}

/// The anchor of a heading, as mdBook and GitHub make it.
fn anchor(heading: &str) -> String {
    let kept =
        |character: &char| character.is_alphanumeric() || matches!(character, ' ' | '-' | '_');
    heading.to_lowercase().chars().filter(kept).collect::<String>().replace(' ', "-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_each_operation_and_each_schema() {
        let page = admin_api_reference();
        assert!(!page.contains("{{"), "a placeholder of the template names nothing");
        let document = serde_json::to_value(openapi_document()).unwrap();
        for (method, path, _) in (Generator { document: &document }).operations() {
            assert!(
                TEMPLATE.contains(&format!("{{{{ operation {method} {path} }}}}")),
                "reference/admin_api.md.in lacks {method} {path}"
            );
        }
        for name in document["components"]["schemas"].as_object().unwrap().keys() {
            assert!(
                TEMPLATE.contains(&format!("### {name}\n\n{{{{ schema {name} }}}}")),
                "reference/admin_api.md.in lacks {name}"
            );
        }
    }

    #[test]
    fn the_committed_page_is_the_generated_one() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/admin-api.md");
        let page = std::fs::read_to_string(file).unwrap();
        assert!(
            page == admin_api_reference(),
            "run `narrowboat reference admin-api > docs/reference/admin-api.md`"
        );
    }
}
