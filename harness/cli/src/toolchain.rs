//! `meshproof toolchain`: what is used from where.

use std::sync::Mutex;

use indicatif::{ProgressBar, ProgressStyle};
use meshproof_toolchain::{Event, Options, Origin, Progress, Tool, Toolchain, ToolchainError};

use crate::args::ToolchainArgs;
use crate::exit::Exit;
use crate::failure::{Failure, chain};
use crate::show;

/// Finds or fetches every program, prepares the data directory, and prints the table.
pub(crate) fn command(args: &ToolchainArgs) -> Result<Exit, Failure> {
    let options = options(args.any_envoy)?;
    let progress = Downloads::default();
    let found = meshproof_toolchain::find(&options, &progress).map_err(|error| failure(&error))?;
    meshproof_toolchain::prepared_datadir(&found, &options, &progress)
        .map_err(|error| failure(&error))?;
    show::out(&table(&found)).map_err(|error| Failure::of(Exit::EnvironmentFailed, &error))?;
    Ok(Exit::Pass)
}

/// Where to look, and what to accept.
pub(crate) fn options(any_envoy: bool) -> Result<Options, Failure> {
    let mut options = Options::current().map_err(|error| failure(&error))?;
    options.any_envoy = any_envoy;
    Ok(options)
}

/// A full disk is the surroundings' fault, everything else is a missing program.
pub(crate) fn failure(error: &ToolchainError) -> Failure {
    let exit = match error {
        ToolchainError::Io { .. } => Exit::EnvironmentFailed,
        _ => Exit::ToolchainMissing,
    };
    Failure {
        exit,
        message: chain(error),
    }
}

fn table(found: &Toolchain) -> String {
    let rows = [
        ("envoy", &found.envoy),
        ("mysqld", &found.mysqld),
        ("mysql client", &found.mysql),
        ("nft", &found.nft),
    ];
    let widest = rows
        .iter()
        .map(|(_, tool)| tool.version.len())
        .max()
        .unwrap_or(0)
        .max("version".len());
    let mut text = format!(
        "{:13} {:widest$}  {:26} path\n",
        "program", "version", "from"
    );
    for (name, tool) in rows {
        text.push_str(&format!(
            "{name:13} {:widest$}  {:26} {}\n",
            tool.version,
            origin(tool),
            tool.path.display()
        ));
    }
    text
}

fn origin(tool: &Tool) -> String {
    match &tool.origin {
        Origin::Variable(name) => format!("${name}"),
        Origin::Path => "PATH".to_owned(),
        Origin::Cache => "cache".to_owned(),
        Origin::Fetched(client) => format!("fetched now with {client}"),
    }
}

/// Progress of downloads: a bar on a terminal, a line per step elsewhere.
#[derive(Default)]
pub(crate) struct Downloads {
    bar: Mutex<Option<ProgressBar>>,
}

impl Progress for Downloads {
    fn event(&self, event: Event) {
        match event {
            Event::Fetching { what, bytes } => self.step(&format!("fetching {what}"), bytes),
            Event::Arrived { bytes } => self.with(|bar| bar.set_position(bytes)),
            Event::Unpacking { what } => self.step(&format!("unpacking {what}"), None),
            Event::Initialising => self.step("initialising a data directory", None),
            Event::Waiting { what } => {
                self.step(&format!("waiting for another meshproof: {what}"), None)
            }
            Event::Done => self.with(ProgressBar::finish_and_clear),
        }
    }
}

impl Downloads {
    fn step(&self, what: &str, bytes: Option<u64>) {
        if !show::live_on_stderr() {
            show::note(what);
            return;
        }
        self.with(ProgressBar::finish_and_clear);
        let bar = bytes.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
        let template = if bytes.is_some() {
            "{msg} {bar:30} {bytes}/{total_bytes}"
        } else {
            "{spinner} {msg}"
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_message(what.to_owned());
        bar.tick();
        *self
            .bar
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner) = Some(bar);
    }

    fn with(&self, act: impl FnOnce(&ProgressBar)) {
        if let Some(bar) = &*self
            .bar
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
        {
            act(bar);
        }
    }
}
