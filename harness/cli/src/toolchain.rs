//! `meshproof toolchain`: what is used from where.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use meshproof_toolchain::{Event, Options, Progress, Toolchain, ToolchainError};

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
    let tools = [
        ("envoy", &found.envoy),
        ("mysqld", &found.mysqld),
        ("mysql client", &found.mysql),
        ("nft", &found.nft),
    ];
    let mut rows = vec![["program", "version", "from", "path"].map(str::to_owned)];
    rows.extend(tools.map(|(name, tool)| {
        [
            name.to_owned(),
            tool.version.clone(),
            tool.origin.to_string(),
            tool.path.display().to_string(),
        ]
    }));
    let widest = |column: usize| {
        rows.iter()
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or(0)
    };
    let (name, version, from) = (widest(0), widest(1), widest(2));
    let line = |row: &[String; 4]| {
        format!(
            "{:name$}  {:version$}  {:from$}  {}\n",
            row[0], row[1], row[2], row[3]
        )
    };
    rows.iter().map(line).collect()
}

/// Progress of downloads: a bar for each on a terminal, a line per step elsewhere.
#[derive(Default)]
pub(crate) struct Downloads {
    all: MultiProgress,
    bars: Mutex<HashMap<String, ProgressBar>>,
}

impl Progress for Downloads {
    fn event(&self, event: Event) {
        match event {
            Event::Fetching { what, bytes } => self.step(what, "fetching", bytes),
            Event::Arrived { what, bytes } => self.with(&what, |bar| bar.set_position(bytes)),
            Event::Unpacking { what } => self.step(what, "unpacking", None),
            Event::Initialising { what } => self.step(what, "preparing", None),
            Event::Waiting { what } => self.step(what, "waiting for another meshproof:", None),
            Event::Done { what } => self.with(&what, ProgressBar::finish_and_clear),
        }
    }
}

impl Downloads {
    fn step(&self, what: String, doing: &str, bytes: Option<u64>) {
        if !show::live_on_stderr() {
            show::note(&format!("{doing} {what}"));
            return;
        }
        self.with(&what, ProgressBar::finish_and_clear);
        let bar = self
            .all
            .add(bytes.map_or_else(ProgressBar::new_spinner, ProgressBar::new));
        let template = if bytes.is_some() {
            "{msg} {bar:30} {bytes}/{total_bytes}"
        } else {
            "{spinner} {msg}"
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_message(format!("{doing} {what}"));
        bar.tick();
        self.bars
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(what, bar);
    }

    fn with(&self, what: &str, act: impl FnOnce(&ProgressBar)) {
        if let Some(bar) = self
            .bars
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(what)
        {
            act(bar);
        }
    }
}
