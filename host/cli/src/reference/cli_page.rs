//! The page `docs/reference/cli.md`, from the command tree, the exit codes and a template.
//!
//! The template has the prose. A line with a placeholder becomes a generated part:
//!
//! - `{{ commands }}`: the table of all commands
//! - `{{ command NAME }}`: the usage, arguments and options of one command, such as `plugin build`
//! - `{{ host-options }}`: the options of commands that need a running host
//! - `{{ exit-codes }}`: the table of exit codes

use clap::{Arg, ArgAction, Args, Command, CommandFactory};

use crate::arguments::HostArgs;
use crate::cli_exit_code::CliExitCode;
use crate::command_line::Cli;
use narrowboat_config::{escape_cell, expand_template};

const TEMPLATE: &str = include_str!("cli.md.in");

/// The row that stands for the host options.
const HOST_OPTIONS_ROW: &str = "[host options](#host-options)";

/// The manual page is the only page of `narrowboat reference` that is not in `docs/reference`.
const MANUAL_PAGE: &str = "man";

/// The page `docs/reference/cli.md`.
pub(super) fn cli_reference() -> String {
    let root = command_tree();
    expand_template(TEMPLATE, |placeholder| {
        generate(&root, placeholder).map(|part| part.trim_end().to_owned())
    })
}

/// The part that a placeholder stands for.
fn generate(root: &Command, placeholder: &str) -> Option<String> {
    match placeholder {
        "commands" => Some(commands_table(root)),
        "host-options" => Some(arguments_table(&host_options().iter().collect::<Vec<_>>(), false)),
        "exit-codes" => Some(exit_codes_table()),
        _ => placeholder.strip_prefix("command ").and_then(|name| command_part(root, name)),
    }
}

/// The command tree, with the usage of each command.
fn command_tree() -> Command {
    let mut root = Cli::command();
    root.build();
    root
}

/// The visible commands, each with its words: `deploy`, `plugin build`. A command whose subcommands are mere values, such
/// as `reference`, is one command.
fn visible_commands(root: &Command) -> Vec<(String, &Command)> {
    let mut commands = Vec::new();
    for command in subcommands(root) {
        let name = command.get_name();
        if subcommands(command).all(|sub| arguments(sub).next().is_none()) {
            commands.push((name.to_owned(), command));
        } else {
            let subs = subcommands(command);
            commands.extend(subs.map(|sub| (format!("{name} {}", sub.get_name()), sub)));
        }
    }
    commands
}

/// The visible subcommands, without the `help` that clap adds.
fn subcommands(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|sub| !sub.is_hide_set() && sub.get_name() != "help")
}

/// The visible arguments and options, without those that clap adds.
fn arguments(command: &Command) -> impl Iterator<Item = &Arg> {
    let own = |arg: &&Arg| !matches!(arg.get_action(), ArgAction::Help | ArgAction::Version);
    command.get_arguments().filter(|arg| !arg.is_hide_set()).filter(own)
}

/// The options of commands that need a running host.
fn host_options() -> Vec<Arg> {
    HostArgs::augment_args(Command::new("host")).get_arguments().cloned().collect()
}

/// The table of all commands.
fn commands_table(root: &Command) -> String {
    let mut table = "| Command | Meaning |\n|---|---|\n".to_owned();
    for (name, command) in visible_commands(root) {
        let anchor = name.replace(' ', "-");
        table += &format!("| [`{name}`](#narrowboat-{anchor}) | {} |\n", about(command));
    }
    table
}

/// The usage line, and the table of arguments and options or of pages.
fn command_part(root: &Command, name: &str) -> Option<String> {
    let (_, command) = visible_commands(root).into_iter().find(|(words, _)| words == name)?;
    let mut part = format!("`{}`\n\n", usage(command));
    if command.has_subcommands() {
        part += &pages_table(command);
    }
    let (rows, has_host_options) = split_host_options(command);
    if has_host_options || !rows.is_empty() {
        part += &arguments_table(&rows, has_host_options);
    }
    Some(part)
}

/// The usage as `--help` prints it, without the brackets around the names of values.
fn usage(command: &Command) -> String {
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ").trim().to_owned();
    let names = arguments(command).flat_map(|arg| arg.get_value_names().unwrap_or_default());
    let names = names.map(clap::builder::Str::as_str).chain(command.get_subcommand_value_name());
    names.fold(usage, |usage, name| usage.replace(&format!("<{name}>"), name))
}

/// The arguments and options of a command without the host options, and whether it has these.
fn split_host_options(command: &Command) -> (Vec<&Arg>, bool) {
    let host = host_options();
    let is_host_option = |arg: &Arg| host.iter().any(|option| option.get_id() == arg.get_id());
    let (of_host, own): (Vec<_>, Vec<_>) = arguments(command).partition(|arg| is_host_option(arg));
    // `serve` and `dev` have a `--config` of their own.
    match of_host.len() == host.len() {
        true => (own, true),
        false => (arguments(command).collect(), false),
    }
}

/// The table of the values of a command whose subcommands are pages.
fn pages_table(command: &Command) -> String {
    let name = command.get_subcommand_value_name().unwrap_or("COMMAND");
    let mut table = format!("| `{name}` | Prints |\n|---|---|\n");
    for page in subcommands(command) {
        let name = page.get_name();
        let link = match name {
            MANUAL_PAGE => format!("`{name}`"),
            _ => format!("[`{name}`]({name}.md)"),
        };
        table += &format!("| {link} | {} |\n", about(page));
    }
    table
}

/// The table of arguments and options. It has a column for variables if one of them has a variable.
fn arguments_table(rows: &[&Arg], has_host_options: bool) -> String {
    let has_variables = rows.iter().any(|arg| arg.get_env().is_some());
    let has_positionals = rows.iter().any(|arg| arg.is_positional());
    let has_options = has_host_options || rows.iter().any(|arg| !arg.is_positional());
    let first = match (has_positionals, has_options) {
        (true, true) => "Argument or option",
        (true, false) => "Argument",
        (false, _) => "Option",
    };
    let (variable, rule) = if has_variables { (" Variable |", "---|") } else { ("", "") };
    let mut table = format!("| {first} | Default |{variable} Meaning |\n|---|---|{rule}---|\n");
    for arg in rows {
        let variable = match (has_variables, arg.get_env()) {
            (false, _) => String::new(),
            (true, None) => " – |".to_owned(),
            (true, Some(variable)) => format!(" `{}` |", variable.display()),
        };
        table += &format!("| {} | {} |{variable} {} |\n", names(arg), default(arg), meaning(arg));
    }
    if has_host_options {
        table += &format!("| {HOST_OPTIONS_ROW} | | |\n");
    }
    table
}

/// The names of an argument or option, with the name of its value.
fn names(arg: &Arg) -> String {
    let values = arg.get_value_names().filter(|_| arg.get_action().takes_values());
    let value = values.unwrap_or_default().join(" ");
    if arg.is_positional() {
        return format!("`{value}`");
    }
    let short = arg.get_short().map(|short| format!("-{short}"));
    let long = arg.get_long().map(|long| format!("--{long} {value}"));
    let names = short.into_iter().chain(long).map(|name| format!("`{}`", name.trim_end()));
    names.collect::<Vec<_>>().join(", ")
}

/// The default of an argument or option.
fn default(arg: &Arg) -> String {
    let values = arg.get_default_values();
    let value = values.iter().map(|value| value.to_string_lossy()).collect::<Vec<_>>().join(" ");
    match arg.get_action() {
        ArgAction::SetTrue => "off".to_owned(),
        _ if arg.is_required_set() => "required".to_owned(),
        _ if values.is_empty() => "–".to_owned(),
        _ if value.is_empty() => "empty".to_owned(),
        _ => format!("`{value}`"),
    }
}

/// The meaning of an argument or option, with its possible values, as the cell of a table.
fn meaning(arg: &Arg) -> String {
    let help = escape_cell(&arg.get_help().map(ToString::to_string).unwrap_or_default());
    let values = match arg.get_action().takes_values() {
        true => arg.get_possible_values(),
        false => Vec::new(),
    };
    if values.is_empty() {
        return help;
    }
    let values: Vec<_> = values.iter().map(|value| format!("`{}`", value.get_name())).collect();
    format!("{help}: {}", values.join(", "))
}

/// The `about` of a command, as the cell of a table.
fn about(command: &Command) -> String {
    escape_cell(&command.get_about().map(ToString::to_string).unwrap_or_default())
}

/// The table of exit codes.
fn exit_codes_table() -> String {
    let mut table = "| Code | Meaning | Commands |\n|---|---|---|\n".to_owned();
    for code in CliExitCode::ALL {
        let meaning = escape_cell(code.meaning());
        table += &format!("| {} | {meaning} | {} |\n", code.number(), code.commands());
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names of an argument in texts: its option, or its value.
    fn name_in_text(arg: &Arg) -> String {
        let value = || arg.get_value_names().unwrap_or_default().join(" ");
        arg.get_long().map_or_else(value, |long| format!("--{long}"))
    }

    #[test]
    fn the_template_has_each_command() {
        for (name, _) in visible_commands(&command_tree()) {
            assert!(
                TEMPLATE.contains(&format!("## narrowboat {name}\n\n{{{{ command {name} }}}}\n")),
                "reference/cli.md.in lacks {name}"
            );
        }
    }

    #[test]
    fn each_placeholder_of_the_template_names_something() {
        assert!(!cli_reference().contains("{{"), "a placeholder of the template names nothing");
    }

    #[test]
    fn each_variable_of_an_option_is_in_the_table_of_variables() {
        let (_, variables) = TEMPLATE.split_once("\n## Environment variables\n").unwrap();
        for (name, command) in visible_commands(&command_tree()) {
            for variable in arguments(command).filter_map(Arg::get_env) {
                assert!(
                    variables.contains(&format!("`{}`", variable.display())),
                    "reference/cli.md.in lacks {} of {name} under \"Environment variables\"",
                    variable.display()
                );
            }
        }
    }

    #[test]
    fn the_help_of_an_argument_names_those_that_it_excludes() {
        for (name, command) in visible_commands(&command_tree()) {
            for arg in arguments(command) {
                for other in command.get_arg_conflicts_with(arg) {
                    let excluded = name_in_text(other);
                    let argument = name_in_text(arg);
                    assert!(
                        meaning(arg).contains(&excluded),
                        "the help of {argument} of {name} does not name {excluded}"
                    );
                }
            }
        }
    }

    #[test]
    fn the_help_of_the_program_has_each_exit_code() {
        let help = Cli::command().render_long_help().to_string();
        let (_, codes) = help.split_once("Exit codes:").unwrap();
        for code in CliExitCode::ALL {
            let number = code.number().to_string();
            let words = codes.split_whitespace();
            assert!(words.into_iter().any(|word| word == number), "--help lacks {code:?}");
        }
    }

    #[test]
    fn the_committed_page_is_the_generated_one() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/cli.md");
        let page = std::fs::read_to_string(file).unwrap();
        assert!(page == cli_reference(), "run `narrowboat reference cli > docs/reference/cli.md`");
    }
}
