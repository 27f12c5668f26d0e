//! However parent or child end, nothing is left.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio as ChildStdio};
use std::time::{Duration, Instant};

use libtest_mimic::Trial;
use meshproof_pocket_node::{ContainerSpec, Node, NodeError, Stdio};

use crate::lab::{ALICE, BOB, CLIENT, MYSQL, PATIENCE, build, lab, options, patient, program};
use crate::trial;

const MARK: &str = "MESHPROOF_TEST_MARK";

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("death::stop_leaves_nothing", stop),
        trial("death::dropping_leaves_nothing", dropped),
        trial("death::killing_the_outer_process_ends_all", || {
            child_killed(false)
        }),
        trial("death::killing_process_1_ends_all", || child_killed(true)),
        trial(
            "death::killing_the_parent_at_any_moment_leaves_nothing",
            || async { parent_killed(12) },
        ),
    ]
}

/// The applet: a node that is busy until it is killed.
pub(crate) fn hold() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let node = Node::start(options()).await.unwrap();
        build(&node).await.unwrap();
        populate(&node, &std::env::var(MARK).unwrap()).await;
        let mut output = std::io::stdout();
        output
            .write_all(b"ready\n")
            .and_then(|()| output.flush())
            .unwrap();
        std::future::pending::<()>().await;
    });
}

async fn populate(node: &Node, mark: &str) {
    for sandbox in [ALICE.0, BOB.0, MYSQL.0, CLIENT] {
        let mut spec: ContainerSpec = program(&["bash", "-c", "sleep 1000 & sleep 1000 & wait"]);
        spec.env.push((MARK.to_owned(), mark.to_owned()));
        node.start_container(sandbox, spec, Stdio::default())
            .await
            .unwrap();
    }
}

/// Process ids of all processes with the mark in their environment.
fn marked(mark: &str) -> Vec<i32> {
    let wanted = format!("{MARK}={mark}");
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let has = |pid: &i32| {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment
            .split(|byte| *byte == 0)
            .any(|variable| variable == wanted.as_bytes())
    };
    numbers.filter(has).collect()
}

/// Network interfaces and mount points that this process sees.
fn host() -> (BTreeSet<String>, BTreeSet<String>) {
    let interfaces = std::fs::read_dir("/sys/class/net").unwrap().flatten();
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    let names = interfaces.map(|entry| entry.file_name().to_string_lossy().into_owned());
    (names.collect(), mounts.lines().map(str::to_owned).collect())
}

fn gone(mark: &str) {
    until(mark, 0);
}

/// Nothing tells when a process that is not one's own begins or ends: look until it is so.
fn until(mark: &str, count: usize) {
    let begin = Instant::now();
    while marked(mark).len() != count {
        assert!(
            begin.elapsed() < PATIENCE,
            "{count} were expected of {mark}, there are {:?}",
            marked(mark)
        );
        std::thread::yield_now();
    }
}

fn mark(name: &str) -> String {
    format!("{name}-{}", std::process::id())
}

async fn stop() {
    let (node, mark, before) = (lab().await, mark("stop"), host());
    populate(&node, &mark).await;
    until(&mark, 12);
    node.stop().await.unwrap();
    assert!(marked(&mark).is_empty(), "stop waits for the end");
    assert_eq!(host(), before);
    patient(node.ended()).await;
    assert!(matches!(
        node.flush_conntrack(CLIENT).await,
        Err(NodeError::Gone)
    ));
    node.stop().await.unwrap();
}

async fn dropped() {
    let mark = mark("dropped");
    let node = lab().await;
    populate(&node, &mark).await;
    until(&mark, 12);
    drop(node);
    gone(&mark);
}

async fn child_killed(first: bool) {
    let mark = mark(if first { "first" } else { "outer" });
    let node = lab().await;
    populate(&node, &mark).await;
    let outer = node.pid();
    let inner = std::fs::read_to_string(format!("/proc/{outer}/task/{outer}/children")).unwrap();
    let victim = if first {
        inner.trim().parse().unwrap()
    } else {
        i32::try_from(outer).unwrap()
    };
    let waiting = node
        .start_container(ALICE.0, program(&["sleep", "1000"]), Stdio::default())
        .await
        .unwrap()
        .process;
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(victim),
        nix::sys::signal::Signal::SIGKILL,
    )
    .unwrap();
    assert!(matches!(
        patient(waiting.wait()).await,
        Err(NodeError::Gone)
    ));
    patient(node.ended()).await;
    gone(&mark);
    patient(node.stop()).await.unwrap();
}

/// A process that does not outlive a failing test.
struct Helper(Child);

impl Drop for Helper {
    fn drop(&mut self) {
        self.0.kill().and_then(|()| self.0.wait()).unwrap();
    }
}

fn helper(mark: &str) -> Helper {
    let mut command = Command::new(std::env::current_exe().unwrap());
    Helper(
        command
            .args(["applet", "hold"])
            .env(MARK, mark)
            .stdout(ChildStdio::piped())
            .spawn()
            .unwrap(),
    )
}

fn parent_killed(times: u32) {
    let before = host();
    let begin = Instant::now();
    let mut first = helper(&mark("whole"));
    let mut line = String::new();
    BufReader::new(first.0.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let whole = begin.elapsed();
    assert_eq!(line, "ready\n");
    // The helper, the two processes of its node, and three in each of four containers.
    until(&mark("whole"), 15);
    end(first, &mark("whole"));
    for number in 0..times {
        let mark = mark(&format!("part-{number}"));
        let child = helper(&mark);
        wait(whole * number / times);
        end(child, &mark);
    }
    assert_eq!(host(), before);
}

fn end(helper: Helper, mark: &str) {
    drop(helper);
    gone(mark);
}

/// The moment of the kill is what is tested here, nothing is waited for.
#[allow(clippy::disallowed_methods)]
fn wait(time: Duration) {
    std::thread::sleep(time);
}
