//! Placeholders in the template of a page.

/// Returns a template with the part of each placeholder, such as `{{ paths }}`, in its place. A placeholder without a part
/// stays as it is.
pub fn expand_template(template: &str, part: impl Fn(&str) -> Option<String>) -> String {
    let mut page = String::new();
    let mut rest = template;
    while let Some((text, placeholder, after)) = split_at_placeholder(rest) {
        page += text;
        page += &part(placeholder).unwrap_or_else(|| format!("{{{{ {placeholder} }}}}"));
        rest = after;
    }
    page + rest
}

/// The text before the first placeholder, the placeholder, and the text after it.
fn split_at_placeholder(template: &str) -> Option<(&str, &str, &str)> {
    let (text, rest) = template.split_once("{{ ")?;
    let (placeholder, after) = rest.split_once(" }}")?;
    Some((text, placeholder, after))
}

/// Returns a text as the cell of a Markdown table: escapes the character that ends a cell.
pub fn escape_cell(text: &str) -> String {
    text.replace('|', "\\|")
}
