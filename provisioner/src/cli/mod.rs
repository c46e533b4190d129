//! The command line: one file for each command.

mod agree;
mod apply;
mod completions;
mod destroy;
mod drift;
mod env;
mod explain;
mod explained;
mod graph;
mod health;
mod import;
mod live;
mod local;
mod lock;
mod logs;
mod man;
mod outputs;
mod package;
mod paper;
mod plan;
mod reconcile;
mod render;
mod repairs;
mod rules;
mod schema;
mod state;
mod status;
#[cfg(test)]
mod tests;
mod token;
mod validate;
mod who_sees;

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, Parser, Subcommand};

use crate::aws::Network;
use crate::engine::{Interrupt, InterruptHandle, Urgency};
use crate::error::{Error, Exit};
use crate::render::{Beside, Format, Look, Printer};
use crate::session::{Options, Target};

/// The stack's file, unless another is named.
pub const DEFAULT_FILE: &str = "stack.yaml";

const EXAMPLES: &str = "\
Examples:
  provision apply --target local          the whole stack on this machine, nothing else needed
  provision plan                          what an apply would do in AWS
  provision apply --yes                   do it without asking, as in CI
  provision apply --env prod              with stack.prod.yaml laid over stack.yaml
  provision token --target local          a token to try the API with
  provision outputs apiUrl                one output, for scripts
  provision status                        what is deployed, and how it fares
  provision logs api --follow             what a function logs
  provision who-sees item.json            which groups would see an item, and why
  provision explain FH0301                what an error means and what to do

Exit codes: 0 done or nothing to do, 1 error, 2 changes pending (plan --detailed-exitcode) or drift,
3 configuration invalid, 4 credentials, 5 lock held, 6 stale plan, 7 widening refused,
8 partly done or deferred, 130 interrupted";

/// From one file to a running Freehold stack
#[derive(Debug, Parser)]
#[command(name = "provision", version, after_help = EXAMPLES, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Clone, Args)]
struct Globals {
    /// The stack's file
    #[arg(long, short, global = true, default_value = DEFAULT_FILE, value_name = "PATH")]
    file: PathBuf,
    /// An environment: lays `stack.NAME.yaml` over the file
    #[arg(long, short, global = true, value_name = "NAME", env = "FREEHOLD_ENV", hide_env_values = true)]
    env: Option<String>,
    /// The value of a variable that the file declares; may be given more than once
    #[arg(long = "var", global = true, value_name = "NAME=VALUE", value_parser = var)]
    vars: Vec<(String, String)>,
    /// Where the stack runs
    #[arg(long, short, global = true, value_enum, default_value_t = Target::Aws, env = "FREEHOLD_TARGET", hide_env_values = true)]
    target: Target,
    /// AWS region; overrides `region` in the stack file. Each region has a stack of its own
    #[arg(long, global = true)]
    region: Option<String>,
    /// A profile of your AWS configuration
    #[arg(long, global = true)]
    profile: Option<String>,
    /// Print JSON, for programs: the command's one document, or an event a line
    #[arg(long, global = true)]
    json: bool,
    /// Write what `--json` would print into this file, beside what is shown
    #[arg(long, global = true, value_name = "FILE")]
    json_into: Option<PathBuf>,
    /// Print without colours (also: NO_COLOR)
    #[arg(long, global = true)]
    no_color: bool,
    /// Tell more; twice: every call to AWS
    #[arg(long, short, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
}

#[derive(Debug, Subcommand)]
enum Command {
    Validate(validate::Validate),
    Plan(plan::PlanArgs),
    Apply(apply::Apply),
    Destroy(destroy::Destroy),
    Drift(drift::DriftArgs),
    WhoSees(who_sees::WhoSees),
    Rules(rules::Rules),
    Import(import::Import),
    State(state::StateArgs),
    Lock(lock::LockArgs),
    Outputs(outputs::OutputsArgs),
    Status(status::Status),
    Logs(logs::Logs),
    Graph(graph::Graph),
    Render(render::Render),
    Env(env::Env),
    Repairs(repairs::Repairs),
    Reconcile(reconcile::Reconcile),
    Token(token::Token),
    Local(local::Local),
    Package(package::Package),
    Explain(explain::Explain),
    Schema(schema::Schema),
    Completions(completions::Completions),
    Man(man::Man),
}

/// `name=value`
fn var(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write `name=value`".to_owned()),
    }
}

/// What a command finds around it, beside its arguments: everything as usual, unless a test says otherwise.
#[derive(Debug, Default)]
pub struct Around {
    /// What calls to AWS are sent through.
    pub network: Option<Network>,
    /// Where functions lie ready, so that none are built.
    pub functions: Option<PathBuf>,
    /// Who asks to stop, beside Ctrl-C and SIGTERM.
    pub interrupt: Option<(InterruptHandle, Interrupt)>,
}

/// What every command works with.
struct App {
    globals: Globals,
    printer: Arc<Printer>,
    interrupt: Interrupt,
    network: Option<Network>,
    functions: Option<PathBuf>,
}

impl App {
    fn options(&self) -> Options {
        let globals = self.globals.clone();
        Options {
            env: globals.env,
            vars: globals.vars.into_iter().collect(),
            region: globals.region,
            profile: globals.profile,
            events: self.printer.clone(),
            interrupt: self.interrupt.clone(),
            network: self.network.clone(),
            functions: self.functions.clone(),
            ..Options::new(globals.file, globals.target)
        }
    }

    /// The options of a command whose result is one document: with `--json`, stdout has that and nothing else.
    fn options_for_document(&self) -> Options {
        Options { events: Arc::new(Beside(self.printer.clone())), ..self.options() }
    }

    /// Prints a value as JSON with `--json`, as text otherwise.
    fn show<T: serde::Serialize>(&self, value: &T, text: impl FnOnce() -> String) {
        self.printer.document(value, text);
    }
}

/// Runs the program with these arguments, of which the first is its name, and gives its exit code.
///
/// Must not be called from within an asynchronous runtime; see [`run_async`].
pub fn run(args: impl IntoIterator<Item = OsString>) -> i32 {
    match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => {
            let code = runtime.block_on(run_async(args));
            // Whatever still runs in the background has nothing left to say.
            runtime.shutdown_background();
            code
        }
        Err(_) => Exit::Failed as i32,
    }
}

/// Like [`run`], from within an asynchronous runtime.
pub async fn run_async(args: impl IntoIterator<Item = OsString>) -> i32 {
    run_in(args, Around::default(), Printer::stdio).await
}

/// Like [`run_async`], with these surroundings and a printer made by the caller.
pub async fn run_in(
    args: impl IntoIterator<Item = OsString>,
    around: Around,
    printer: impl FnOnce(Look) -> Printer,
) -> i32 {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            return usage(&error, &printer(Look { format: Format::Human, no_color: false, verbosity: 0 }));
        }
    };
    let format = if cli.globals.json { Format::Json } else { Format::Human };
    let look = Look { format, no_color: cli.globals.no_color, verbosity: cli.globals.verbose };
    let mut printer = printer(look);
    if let Some(path) = &cli.globals.json_into {
        match std::fs::File::create(path) {
            Ok(file) => printer = printer.also_json(Box::new(file)),
            Err(source) => {
                let error = paper::unwritable(path, &source);
                printer.error(&error);
                return error.exit() as i32;
            }
        }
    }
    let printer = Arc::new(printer);
    let (handle, interrupt) = around.interrupt.unwrap_or_else(Interrupt::new);
    let app = App {
        globals: cli.globals,
        printer: printer.clone(),
        interrupt: interrupt.clone(),
        network: around.network,
        functions: around.functions,
    };
    // What changes things stops in good order by itself; everything else can simply be dropped.
    let drains = matches!(
        cli.command,
        Command::Apply(_)
            | Command::Destroy(_)
            | Command::Import(_)
            | Command::State(state::StateArgs { command: state::Command::Rebuild })
            | Command::Reconcile(_)
    );
    let listener = tokio::spawn(listen(handle, printer.clone(), drains));
    let stopped = async {
        interrupt.changed_from(if drains { Urgency::Drain } else { Urgency::Calm }).await;
        if drains {
            // Time to give the lock back.
            tokio::time::sleep(std::time::Duration::from_secs(5)).await;
        }
    };
    let result = tokio::select! {
        result = dispatch(cli.command, &app) => result,
        () = stopped => Err(Error::Interrupted { open: 0 }),
    };
    listener.abort();
    match result {
        Ok(exit) => exit as i32,
        Err(error) => {
            printer.error(&error);
            error.exit() as i32
        }
    }
}

async fn dispatch(command: Command, app: &App) -> Result<Exit, Error> {
    match command {
        Command::Validate(args) => args.run(app),
        Command::Plan(args) => args.run(app).await,
        Command::Apply(args) => args.run(app).await,
        Command::Destroy(args) => args.run(app).await,
        Command::Drift(args) => args.run(app).await,
        Command::WhoSees(args) => args.run(app).await,
        Command::Rules(args) => args.run(app),
        Command::Import(args) => args.run(app).await,
        Command::State(args) => args.run(app).await,
        Command::Lock(args) => args.run(app).await,
        Command::Outputs(args) => args.run(app).await,
        Command::Status(args) => args.run(app).await,
        Command::Logs(args) => args.run(app).await,
        Command::Graph(args) => args.run(app),
        Command::Render(args) => args.run(app),
        Command::Env(args) => args.run(app),
        Command::Repairs(args) => args.run(app).await,
        Command::Reconcile(args) => args.run(app).await,
        Command::Token(args) => args.run(app).await,
        Command::Local(args) => args.run(app).await,
        Command::Package(args) => args.run(app).await,
        Command::Explain(args) => args.run(app),
        Command::Schema(args) => args.run(app),
        Command::Completions(args) => args.run(app),
        Command::Man(args) => args.run(app),
    }
}

/// Help and versions are results; a command line that cannot be understood is an error, but never exit code 2, which
/// means pending changes here.
fn usage(error: &clap::Error, printer: &Printer) -> i32 {
    let text = error.render().to_string();
    if error.use_stderr() {
        printer.talk(text.trim_end());
        return Exit::Failed as i32;
    }
    printer.result(&text);
    Exit::Done as i32
}

/// Turns Ctrl-C and SIGTERM into interrupts. Only what has something to end in good order has something to say about it;
/// at a question nothing was begun yet, and it ends with the question.
async fn listen(handle: InterruptHandle, printer: Arc<Printer>, drains: bool) {
    loop {
        stop_signal().await;
        let urgency = handle.press();
        if printer.stop_asking() || !drains {
            continue;
        }
        printer.talk(match urgency {
            Urgency::Abort => "stopping at once",
            _ => "stopping: what was begun is ended first; once more stops at once",
        });
    }
}

#[cfg(unix)]
async fn stop_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
        }
        Err(_) => drop(tokio::signal::ctrl_c().await),
    }
}

#[cfg(not(unix))]
async fn stop_signal() {
    drop(tokio::signal::ctrl_c().await);
}
