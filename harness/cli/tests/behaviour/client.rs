//! Clients of the database: one session, one after the other as fast as they go, and sessions that stay.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Pod;
use meshproof_cluster::kube::Api;
use meshproof_cluster::kube::api::{AttachParams, AttachedProcess};
use meshproof_cluster::{ClientPod, Lines, Output};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::world::World;

/// How long a client that is alive may take.
const ALIVE: Duration = Duration::from_secs(10);

/// Prints a line for each session, `ok` or what the client said, until the file `$0` is there.
const HAMMER: &str = r#"while [ ! -e "$0" ]; do
  if said=$("$@" 2>&1); then echo ok; else echo "$said"; fi
done"#;
/// One session of many statements, and how it ended.
const STREAM: &str = r#"for ((i = 1; ; i++)); do echo "SELECT $i, SLEEP(0.02);"; done |
  "$@" --unbuffered 2>&1; echo "ended: $?""#;

impl World {
    /// One session, to its end.
    pub(crate) async fn session(&self) -> Output {
        let command = self.command(self.mysql(Some("SELECT 1")));
        self.clusters.client.run(&command).await.unwrap()
    }

    /// One session, which must succeed.
    pub(crate) async fn connects(&self) {
        let output = self.session().await;
        assert_eq!(output.exit, Some(0), "{}", output.stderr_text());
        assert_eq!(output.stdout_text(), "1\n");
    }

    /// A script of the client's pod around a MySQL client, line by line; `$0` is `name`.
    async fn script(&self, script: &str, name: &str, mysql: Vec<String>) -> Lines {
        let argv = ["bash", "-c", script, name].map(str::to_owned);
        let command = self.command(argv.into_iter().chain(mysql).collect());
        self.clusters.client.exec_lines(&command).await.unwrap()
    }
}

/// Sessions so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) ok: usize,
    /// When each failed session ended, and what its client said.
    pub(crate) failed: Vec<(Instant, String)>,
}

impl Tally {
    fn all(&self) -> usize {
        self.ok + self.failed.len()
    }
}

/// A client that connects anew as fast as it can.
pub(crate) struct Hammer {
    tally: watch::Receiver<Tally>,
    reader: JoinHandle<()>,
    /// The file in the client's pod that ends it.
    stop: String,
}

impl Hammer {
    pub(crate) async fn start(world: &World) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let stop = format!("/tmp/stop-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let mysql = world.mysql(Some("SELECT 1"));
        let mut lines = world.script(HAMMER, &stop, mysql).await;
        let (tell, tally) = watch::channel(Tally::default());
        let reader = tokio::spawn(async move {
            while let Some(line) = lines.next().await.unwrap() {
                tell.send_modify(|tally| match line.as_str() {
                    "ok" => tally.ok += 1,
                    _ => tally.failed.push((Instant::now(), line)),
                });
            }
        });
        let hammer = Self {
            tally,
            reader,
            stop,
        };
        hammer.more(1).await;
        hammer
    }

    /// Waits until `number` more sessions have begun and ended.
    pub(crate) async fn more(&self, number: usize) {
        // One is under way.
        let enough = self.tally.borrow().all() + number + 1;
        self.wait(&format!("{number} more sessions"), |tally| {
            tally.all() >= enough
        })
        .await;
    }

    /// Waits until a session fails.
    pub(crate) async fn failure(&self) {
        let known = self.tally.borrow().failed.len();
        self.wait("a session to fail", |tally| tally.failed.len() > known)
            .await;
    }

    async fn wait(&self, what: &str, enough: impl FnMut(&Tally) -> bool) {
        let mut tally = self.tally.clone();
        let waited = tokio::time::timeout(ALIVE * 3, tally.wait_for(enough)).await;
        if let Ok(Ok(_)) = waited {
            return;
        }
        panic!("waited in vain for {what}: {:?}", self.tally.borrow());
    }

    pub(crate) fn tally(&self) -> Tally {
        self.tally.borrow().clone()
    }

    /// Ends the client after the session that is under way.
    pub(crate) async fn stop(self, world: &World) -> Tally {
        let touch = world.command(vec!["touch".to_owned(), self.stop]);
        let touched = world.clusters.client.run(&touch).await.unwrap();
        assert_eq!(touched.exit, Some(0), "{}", touched.stderr_text());
        let ended = tokio::time::timeout(ALIVE, self.reader).await;
        ended.expect("the client to end").unwrap();
        self.tally.borrow().clone()
    }

    /// The same; none of its sessions may have failed.
    pub(crate) async fn unharmed(self, world: &World) -> usize {
        let tally = self.stop(world).await;
        assert_eq!(tally.failed.len(), 0, "of {}: {tally:?}", tally.all());
        tally.ok
    }
}

/// One session in which a statement follows the other.
pub(crate) struct Stream {
    lines: Lines,
    last: u64,
}

impl Stream {
    pub(crate) async fn start(world: &World) -> Self {
        let lines = world.script(STREAM, "stream", world.mysql(None)).await;
        let mut stream = Self { lines, last: 0 };
        stream.answer().await.expect("a session");
        stream
    }

    /// The next answer, which follows the one before; `None` when the session has ended.
    async fn answer(&mut self) -> Option<()> {
        let line = tokio::time::timeout(ALIVE, self.lines.next()).await;
        let line = line.expect("an answer in time").unwrap().unwrap();
        let number: u64 = line.split('\t').next().unwrap().parse().ok()?;
        assert_eq!(number, self.last + 1, "{line}");
        self.last = number;
        Some(())
    }

    /// Reads the answers that are there and a few that are not there yet.
    pub(crate) async fn goes_on(&mut self) {
        self.goes_on_for(Duration::from_millis(200)).await;
    }

    /// Reads answers for a while, the last of which is to a statement that ran at its end.
    pub(crate) async fn goes_on_for(&mut self, window: Duration) {
        let begun = Instant::now();
        loop {
            let asked = Instant::now();
            self.answer().await.expect("the session ended");
            // One that had to be waited for was not there yet.
            let fresh = asked.elapsed() > Duration::from_millis(5);
            if fresh && begun.elapsed() > window {
                return;
            }
        }
    }

    /// Reads answers until the session ends, and says how long it went on.
    pub(crate) async fn ends(mut self) -> Duration {
        let begun = Instant::now();
        while self.answer().await.is_some() {
            assert!(begun.elapsed() < ALIVE * 10, "the session does not end");
        }
        begun.elapsed()
    }
}

/// One session that waits for statements.
pub(crate) struct Open {
    stdin: Box<dyn AsyncWrite + Send + Unpin>,
    stdout: tokio::io::Lines<BufReader<Box<dyn AsyncRead + Send + Unpin>>>,
    _process: AttachedProcess,
    asked: u32,
}

impl Open {
    pub(crate) async fn start(world: &World) -> Self {
        let client = world.clusters.client.client.clone();
        let pods: Api<Pod> = Api::namespaced(client, &world.pod.namespace);
        let streams = AttachParams::default()
            .container(ClientPod::CONTAINER)
            .stdin(true)
            .stderr(false);
        let mut argv = world.mysql(None);
        argv.push("--unbuffered".to_owned());
        let mut process = pods.exec(&world.pod.name, argv, &streams).await.unwrap();
        let stdout: Box<dyn AsyncRead + Send + Unpin> = Box::new(process.stdout().unwrap());
        let mut open = Self {
            stdin: Box::new(process.stdin().unwrap()),
            stdout: BufReader::new(stdout).lines(),
            _process: process,
            asked: 0,
        };
        assert!(open.answers().await, "a new session");
        open
    }

    /// Whether a statement is answered; otherwise the session has ended.
    pub(crate) async fn answers(&mut self) -> bool {
        self.asked += 1;
        let statement = format!("SELECT {};\n", self.asked);
        if self.stdin.write_all(statement.as_bytes()).await.is_err() {
            return false;
        }
        let line = tokio::time::timeout(ALIVE, self.stdout.next_line()).await;
        let line = line.expect("an answer, or the session's end").unwrap();
        if let Some(line) = &line {
            assert_eq!(*line, self.asked.to_string());
        }
        line.is_some()
    }
}
