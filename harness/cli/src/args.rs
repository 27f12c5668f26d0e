//! The command line.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use meshproof_runner::{HostNames, Prober};
use regex_lite::Regex;

use crate::exit::Exit;

/// Proves that SQL between two clusters is encrypted and mutually authenticated, and that everything
/// else is refused.
#[derive(Debug, Parser)]
#[command(name = "meshproof", version, after_help = Exit::help(), arg_required_else_help = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run scenarios and report what was proven
    Run(RunArgs),
    /// Say what is there, what is missing, and what to do, before a run
    Doctor(DoctorArgs),
    /// Take back what runs that were killed have left on clusters
    Clean(CleanArgs),
    /// Find or fetch the programs that the embedded clusters run
    Toolchain(ToolchainArgs),
    /// Look at what the embedded mesh makes of resources
    #[command(subcommand)]
    Mesh(MeshCommand),
    /// Say of recorded sessions who ended them, why, and how that is known: one JSON object a line
    Explain(ExplainArgs),
    /// Check scenario files, and every file that they name, without running them
    Lint(FilesArgs),
    /// List cases, one a line, as `scenario::case`
    List(CasesArgs),
    /// Print what a run would do, in order
    Plan(CasesArgs),
    /// Make reports of a run record, with every verdict computed again from its evidence
    Report(ReportArgs),
}

#[derive(Debug, Subcommand)]
pub(crate) enum MeshCommand {
    /// Write the Envoy configuration that each proxy of a cluster file would get
    Compile(CompileArgs),
    /// Follow one connection through the configuration of given clusters, and say where it ends and why
    Trace(TraceArgs),
}

#[derive(Debug, ClapArgs)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the command line"
)]
pub(crate) struct RunArgs {
    /// Scenario files, or folders of them
    #[arg(value_name = "FILE|DIR", default_value = "scenarios")]
    pub(crate) paths: Vec<PathBuf>,
    /// Where the clusters come from
    #[arg(long, value_enum, default_value_t = On::Embedded)]
    pub(crate) on: On,
    #[command(flatten)]
    pub(crate) contexts: ContextArgs,
    /// Run only cases whose `scenario::case` matches, and the controls they need
    #[arg(long, value_name = "REGEX")]
    pub(crate) case: Option<Regex>,
    /// Folder in which each run makes its own
    #[arg(long, value_name = "DIR", default_value = "target/meshproof")]
    pub(crate) out: PathBuf,
    /// Accept an Envoy of any version
    #[arg(long)]
    pub(crate) any_envoy: bool,
    /// Wait until a client gives up by itself where nobody answers, instead of settling it by the
    /// router's counters
    #[arg(long)]
    pub(crate) wait_out_timeouts: bool,
    /// Run each case that has a sabotage once more under it: it must then fail
    #[arg(long)]
    pub(crate) sabotage: bool,
    /// On clusters that others use too, run cases that act on these others all the same: policies at the
    /// gateways, their Services, whole ports
    #[arg(long)]
    pub(crate) disruptive: bool,
    /// Keep what passed between the clusters during every case, as `captures/*.pcapng` beside the reports;
    /// by default only of cases that do not pass
    #[arg(long)]
    pub(crate) captures: bool,
    /// How pods and proxies learn the addresses of names of nip.io
    #[arg(long, value_enum, default_value_t = Names::Auto)]
    pub(crate) names: Names,
    /// With --on contexts: the image that has the prober, in place of `meshproof/probe`; without it this program
    /// is copied into pods of the image that client pods have
    #[arg(long, value_name = "IMAGE")]
    pub(crate) probe_image: Option<String>,
    /// How many pairs of clusters scenarios run on beside each other; one for each processor by default.
    /// Those labelled `slow` run beside them
    #[arg(long, value_name = "N")]
    pub(crate) jobs: Option<NonZeroUsize>,
    /// Print where the time went
    #[arg(long)]
    pub(crate) profile: bool,
}

impl RunArgs {
    /// The first option that was given and means nothing to other clusters.
    pub(crate) fn of_contexts(&self) -> Option<&'static str> {
        let image = self.probe_image.as_ref();
        self.contexts.given().or(image.map(|_| "--probe-image"))
    }

    /// Where pods have the prober from, on clusters that were there already.
    pub(crate) fn prober(&self) -> Prober {
        self.probe_image
            .clone()
            .map_or(Prober::Copied, Prober::Image)
    }

    /// How names of nip.io are resolved; scenarios that share the answer ask once.
    pub(crate) fn host_names(&self) -> HostNames {
        match (self.names, self.on) {
            (Names::Aliases, _) => HostNames::Aliases,
            (Names::Dns, _) | (Names::Auto, On::Embedded) => HostNames::Dns,
            (Names::Auto, On::Kind | On::Contexts) => HostNames::ask(),
        }
    }

    /// How many scenarios run beside each other.
    pub(crate) fn jobs(&self) -> usize {
        let all = std::thread::available_parallelism();
        let jobs = self.jobs.or(all.ok());
        jobs.map_or(1, NonZeroUsize::get)
    }
}

/// Which clusters `--on contexts` means.
#[derive(Debug, Default, ClapArgs)]
pub(crate) struct ContextArgs {
    /// With --on contexts: the context of the cluster where the SQL comes from
    #[arg(long, value_name = "CONTEXT")]
    pub(crate) client_context: Option<String>,
    /// With --on contexts: the context of the cluster where the database is
    #[arg(long, value_name = "CONTEXT")]
    pub(crate) server_context: Option<String>,
    /// With --on contexts: the kubeconfig; by default the files in KUBECONFIG, else ~/.kube/config
    #[arg(long, value_name = "FILE")]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// With --on contexts: write a line of JSON for every request to an API server, without bodies and headers
    #[arg(long, value_name = "FILE")]
    pub(crate) trace_api: Option<PathBuf>,
}

impl ContextArgs {
    /// The first option that was given and means nothing to other clusters.
    pub(crate) fn given(&self) -> Option<&'static str> {
        let given = [
            ("--client-context", self.client_context.is_some()),
            ("--server-context", self.server_context.is_some()),
            ("--kubeconfig", self.kubeconfig.is_some()),
            ("--trace-api", self.trace_api.is_some()),
        ];
        given
            .into_iter()
            .find_map(|(option, given)| given.then_some(option))
    }
}

#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Exit codes:\n    0  nothing is missing\n    3  an argument or a kubeconfig is wrong\n    \
6  something is missing on the clusters\n    others as of a run"
)]
pub(crate) struct DoctorArgs {
    /// Where the clusters come from
    #[arg(long, value_enum, default_value_t = On::Embedded)]
    pub(crate) on: On,
    #[command(flatten)]
    pub(crate) contexts: ContextArgs,
    /// Accept an Envoy of any version
    #[arg(long)]
    pub(crate) any_envoy: bool,
    /// How the list is printed
    #[arg(long, value_enum, default_value_t = Output::Text)]
    pub(crate) output: Output,
}

#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Exit codes:\n    0  nothing is left of the runs that were looked for\n    3  an argument or a kubeconfig is wrong\n    \
6  something could not be taken back"
)]
pub(crate) struct CleanArgs {
    /// Where the clusters come from
    #[arg(long, value_enum, default_value_t = On::Contexts)]
    pub(crate) on: On,
    #[command(flatten)]
    pub(crate) contexts: ContextArgs,
    /// A run to clean up after, wherever it was started; without it, those of this machine that have ended
    #[arg(long, value_name = "ID")]
    pub(crate) run: Option<String>,
}

/// How pods and proxies learn the addresses of names of nip.io.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Names {
    /// The clusters resolve them where a pod finds that they do; else they are written down. Embedded clusters do
    Auto,
    /// The clusters resolve them
    Dns,
    /// They are written down: `hostAliases` of client pods, addresses in `ServiceEntry` objects
    Aliases,
}

/// Where two clusters come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum On {
    /// Two clusters made of local processes, for this run only
    Embedded,
    /// Two kind clusters
    Kind,
    /// Two contexts of your kubeconfig
    Contexts,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ToolchainArgs {
    /// Accept an Envoy of any version
    #[arg(long)]
    pub(crate) any_envoy: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct CompileArgs {
    /// Kubernetes and Istio objects of one cluster, as YAML documents
    pub(crate) cluster: PathBuf,
    /// Istio's mesh configuration
    #[arg(long, value_name = "FILE")]
    pub(crate) mesh_config: PathBuf,
    /// Folder for `proxy-NAME.json`, `admission.json`, and `conflicts.json` where objects give way to others
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
}

#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Exit codes:\n    0  the connection gets through\n    1  it is refused, or nobody \
answers\n    2  what was given does not tell\n    3  an argument or a file is wrong"
)]
pub(crate) struct TraceArgs {
    /// Objects of one cluster each: a file, or a folder with cluster.yaml and mesh.yaml
    #[arg(required = true, value_name = "CLUSTER")]
    pub(crate) clusters: Vec<PathBuf>,
    /// The pod that connects: NAME, NAMESPACE/NAME or CLUSTER:NAMESPACE/NAME
    #[arg(long, value_name = "POD")]
    pub(crate) from: String,
    /// What it connects to
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) to: String,
    /// The client opens TLS by itself: a version such as 1.3, or sni=NAME, alpn=NAME, min=1.2, max=1.3,
    /// cert=FILE, ca=FILE, with commas between
    #[arg(long, value_name = "SETTINGS", num_args = 0..=1, default_missing_value = "")]
    pub(crate) tls: Option<String>,
    /// The client sends plain bytes first, and does not wait for the server's greeting as MySQL's does
    #[arg(long, conflicts_with = "tls")]
    pub(crate) speaks_first: bool,
    /// Istio's mesh configuration of every cluster; otherwise mesh.yaml beside each cluster's file, or the
    /// ConfigMap istio in it
    #[arg(long, value_name = "FILE")]
    pub(crate) mesh_config: Option<PathBuf>,
    /// The address of a name that the clusters do not tell
    #[arg(long, value_name = "NAME=ADDRESS")]
    pub(crate) resolve: Vec<String>,
    /// The address that the other cluster sees in place of the sender's, for policies that look at it
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) seen_as: Option<std::net::IpAddr>,
    /// The time at which certificates are judged, such as 2026-03-01T00:00:00Z; now by default
    #[arg(long, value_name = "TIME")]
    pub(crate) at: Option<jiff::Timestamp>,
    /// How the result is printed
    #[arg(long, value_enum, default_value_t = Output::Text)]
    pub(crate) output: Output,
}

/// How a result is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people
    Text,
    /// For programs
    Json,
}

#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Exit codes:\n    0  every record could be read\n    3  an argument, the file or a \
record is wrong; the other records are explained all the same"
)]
pub(crate) struct ExplainArgs {
    /// Records, one JSON object a line, with source, target, speaks, client, logs and mysqld
    #[arg(long, value_name = "FILE")]
    pub(crate) record: PathBuf,
    /// Look only at what Istio's default log format shows, where lines show more
    #[arg(long)]
    pub(crate) default_format: bool,
}

#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Where no file is asked for, the table is printed. Exit codes are those of a run, by the \
verdicts computed again; 8 where the record cannot be read"
)]
pub(crate) struct ReportArgs {
    /// The run record: run.json, or the folder that it is in
    #[arg(value_name = "RUN.JSON")]
    pub(crate) record: PathBuf,
    /// Write the page for people
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// Write the Markdown summary
    #[arg(long, value_name = "FILE")]
    pub(crate) markdown: Option<PathBuf>,
    /// Write the JUnit report
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct CasesArgs {
    #[command(flatten)]
    pub(crate) files: FilesArgs,
    /// With each case that has a sabotage once more under it, as `run --sabotage` does
    #[arg(long)]
    pub(crate) sabotage: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct FilesArgs {
    /// Scenario files, or folders of them
    #[arg(value_name = "FILE|DIR", default_value = "scenarios")]
    pub(crate) paths: Vec<PathBuf>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn help() {
        insta::assert_snapshot!(Args::command().render_long_help().to_string());
    }
}
