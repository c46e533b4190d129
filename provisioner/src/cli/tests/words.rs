//! What every command says of itself, to be read as a whole.

use clap::CommandFactory;

use super::super::Cli;

/// The help of a command and of all below it, without the options that all have in common.
fn help(mut command: clap::Command, above: &str, out: &mut String) {
    let name = format!("{above}{}", command.get_name());
    if !above.is_empty() {
        // The usage line names all of the way there.
        command = command.bin_name(name.clone());
        out.push_str(&format!("===== {name}\n{}\n", command.clone().term_width(100).render_long_help()));
    }
    for below in command.get_subcommands().filter(|below| below.get_name() != "help") {
        help(below.clone(), &format!("{name} "), out);
    }
}

#[test]
fn every_command_says_what_it_does() {
    let mut text = String::new();
    help(Cli::command(), "", &mut text);
    // Space at the ends of lines is clap's, and editors remove it.
    let text: String = text.lines().map(|line| format!("{}\n", line.trim_end())).collect();
    insta::with_settings!({ omit_expression => true }, { insta::assert_snapshot!(text) });
}

/// Every argument of every command, apart from clap's own.
fn arguments(command: &clap::Command, visit: &mut dyn FnMut(&clap::Command, &clap::Arg)) {
    command.get_arguments().for_each(|argument| visit(command, argument));
    command.get_subcommands().for_each(|below| arguments(below, visit));
}

#[test]
fn every_argument_is_explained_and_no_explanation_ends_with_a_full_stop() {
    let mut seen = 0;
    arguments(&Cli::command(), &mut |command, argument| {
        let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
        seen += 1;
        assert!(
            !help.is_empty() && !help.ends_with('.'),
            "{} {}: {help}",
            command.get_name(),
            argument.get_id()
        );
    });
    assert!(seen > 30, "{seen}");
    let about = |command: &clap::Command| command.get_about().map(ToString::to_string).unwrap_or_default();
    for command in Cli::command().get_subcommands() {
        let about = about(command);
        assert!(!about.is_empty() && !about.ends_with('.'), "{}: {about}", command.get_name());
    }
}
