//! Containers: their programs, roots, streams and ends.

use libtest_mimic::Trial;
use meshproof_pocket_node::{
    ContainerSpec, ExecSpec, Exit, File, Mount, MountSource, Node, NodeError, ProcessId, Size,
    Stdio, Terminal,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::lab::{ALICE, BOB, CLIENT, applet, lab, patient, pod, printed, program, run, shell};
use crate::trial;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial(
            "containers::codes_and_signals_are_told_apart",
            codes_and_signals,
        ),
        trial(
            "containers::what_cannot_be_executed_is_named",
            not_executable,
        ),
        trial("containers::a_root_of_its_own", root),
        trial("containers::files_and_volumes", volumes),
        trial("containers::mounts_that_cannot_be_are_named", bad_mounts),
        trial("containers::exec_joins_the_container", exec),
        trial("containers::killing_the_first_process_kills_all", kill),
        trial("containers::a_terminal", terminal),
        trial("containers::unix_listeners_reach_the_parent", listeners),
        trial("containers::a_removed_sandbox_can_be_made_again", removal),
        trial("containers::many_at_once", many),
        trial("containers::requests_that_do_not_fit_are_refused", refused),
    ]
}

async fn codes_and_signals() {
    let node = lab().await;
    for (script, exit) in [("exit 0", Exit::Code(0)), ("exit 42", Exit::Code(42))] {
        assert_eq!(run(&node, ALICE.0, shell(script)).await.unwrap().exit, exit);
    }
    let started = node
        .start_container(ALICE.0, shell("sleep 1000; true"), Stdio::default())
        .await
        .unwrap();
    node.signal(started.process.id(), libc::SIGKILL)
        .await
        .unwrap();
    assert_eq!(
        patient(started.process.wait()).await.unwrap(),
        Exit::Signal(libc::SIGKILL)
    );
    node.signal(started.process.id(), libc::SIGKILL)
        .await
        .unwrap();
}

async fn not_executable() {
    let node = lab().await;
    for (argv, errno) in [
        ("no-such-program", libc::ENOENT),
        ("/etc", libc::EACCES),
        ("/no/such", libc::ENOENT),
    ] {
        match run(&node, ALICE.0, program(&[argv])).await {
            Err(NodeError::Exec {
                program,
                errno: found,
            }) => assert_eq!((program.as_str(), found), (argv, errno)),
            other => panic!("{argv}: {other:?}"),
        }
    }
}

async fn root() {
    let node = lab().await;
    assert_eq!(printed(&node, ALICE.0, "echo $$").await, "1");
    assert_eq!(
        printed(&node, ALICE.0, "hostname; cat /etc/hostname").await,
        "alice\nalice"
    );
    assert_eq!(
        printed(&node, ALICE.0, "ls /home /root /tmp /mnt /run")
            .await
            .matches("lock")
            .count(),
        1
    );
    assert_eq!(
        printed(
            &node,
            ALICE.0,
            "ls -A /home /root /tmp | grep -v : | tr -d '\\n'"
        )
        .await,
        ""
    );
    assert_eq!(
        printed(&node, ALICE.0, "touch /usr/x 2>&1 | grep -c Read-only").await,
        "1"
    );
    assert_eq!(
        printed(&node, ALICE.0, "touch /etc/x /tmp/x /var/x /x && echo yes").await,
        "yes"
    );
    assert_eq!(
        printed(&node, ALICE.0, "touch /dev/x 2>&1 | grep -c Read-only").await,
        "1"
    );
    assert_eq!(
        printed(
            &node,
            ALICE.0,
            "echo gone > /dev/null; head -c 3 /dev/zero | wc -c"
        )
        .await,
        "3"
    );
    assert_eq!(
        printed(
            &node,
            ALICE.0,
            "ls -d /etc/mysql /etc/my.cnf /.old 2>/dev/null | wc -l"
        )
        .await,
        "0"
    );
    assert_eq!(
        printed(&node, ALICE.0, "ls -m /proc/self/fd").await,
        "0, 1, 2, 3"
    );
    assert_eq!(
        printed(&node, ALICE.0, "grep -c NoNewPrivs:.1 /proc/self/status").await,
        "1"
    );
    let masks = printed(
        &node,
        ALICE.0,
        "grep -E '^Sig(Blk|Ign)' /proc/self/status | cut -f2",
    )
    .await;
    for mask in masks.lines() {
        // From 32 on they belong to the C library.
        assert_eq!(
            u64::from_str_radix(mask, 16).unwrap() & 0x7fff_ffff,
            0,
            "{masks}"
        );
    }
    let shown = printed(&node, ALICE.0, "cut -d' ' -f5 /proc/self/mountinfo").await;
    assert!(
        shown
            .lines()
            .all(|point| !point.starts_with("/host") && !point.starts_with("/base")),
        "{shown}"
    );
}

async fn volumes() {
    let node = lab().await;
    let base = std::env::temp_dir().join(format!("meshproof-volumes-{}", std::process::id()));
    std::fs::create_dir_all(base.join("data")).unwrap();
    std::fs::write(base.join("data/one"), "1").unwrap();
    let mount = |source, path: &str, read_only| Mount {
        source,
        path: path.into(),
        read_only,
    };
    let mut spec = shell(
        "cat /etc/hosts /secret/key; stat -c %a /secret/key; cat /host/one; cat /copy/one; pwd; \
         touch /host/two 2>&1 | grep -c Read-only; echo 2 > /copy/one && echo 3 > /shared/three; touch /mem/x",
    );
    spec.mounts = vec![
        mount(MountSource::Host(base.join("data")), "/host", true),
        mount(MountSource::Copy(base.join("data")), "/copy", false),
        mount(MountSource::Shared("scratch".into()), "/shared", false),
    ];
    let file = |path: &str, text: &str| File {
        path: path.into(),
        mode: 0o600,
        bytes: text.into(),
    };
    spec.files = vec![file("/etc/hosts", "hosts\n"), file("/secret/key", "key\n")];
    (spec.tmpfs, spec.cwd) = (vec!["/mem".into()], Some("/made/for/it".into()));
    let done = run(&node, ALICE.0, spec).await.unwrap();
    assert_eq!(
        (done.stdout.as_str(), done.stderr.as_str()),
        ("hosts\nkey\n600\n11/made/for/it\n1\n", "")
    );
    assert_eq!(std::fs::read_to_string(base.join("data/one")).unwrap(), "1");
    let shared = mount(MountSource::Shared("scratch".into()), "/other", true);
    let again = ContainerSpec {
        mounts: vec![shared],
        ..shell("cat /other/three; touch /other/x")
    };
    let done = run(&node, ALICE.0, again).await.unwrap();
    assert_eq!((done.exit, done.stdout.as_str()), (Exit::Code(1), "3\n"));
    std::fs::remove_dir_all(&base).unwrap();
}

async fn bad_mounts() {
    let node = lab().await;
    let mount = |source, path: &str| Mount {
        source,
        path: path.into(),
        read_only: true,
    };
    let cases = [
        (
            mount(MountSource::Host("/no/such/file".into()), "/x"),
            libc::ENOENT,
        ),
        (
            mount(MountSource::Host("/usr".into()), "/usr/bin/made-up"),
            libc::EROFS,
        ),
        (mount(MountSource::Host("/usr".into()), "/etc/made-up"), 0),
    ];
    for (mount, errno) in cases {
        let about = format!("{mount:?}");
        let result = run(
            &node,
            ALICE.0,
            ContainerSpec {
                mounts: vec![mount],
                ..shell("true")
            },
        )
        .await;
        assert_eq!(
            result.err().and_then(|e| e.errno()).unwrap_or_default(),
            errno,
            "{about}"
        );
    }
}

async fn sleeper(node: &Node) -> meshproof_pocket_node::Process {
    let mut spec = program(&["sleep", "1000"]);
    spec.env.extend([
        ("KEPT".into(), "kept".into()),
        ("CHANGED".into(), "old".into()),
    ]);
    spec.cwd = Some("/var/tmp".into());
    node.start_container(ALICE.0, spec, Stdio::default())
        .await
        .unwrap()
        .process
}

fn command(script: &str) -> ExecSpec {
    ExecSpec {
        argv: ["bash", "-c", script].map(String::from).to_vec(),
        ..ExecSpec::default()
    }
}

async fn executed(node: &Node, container: ProcessId, spec: ExecSpec) -> (Exit, String) {
    let (stdio, mut pipes) = Stdio::pipes().unwrap();
    let process = patient(node.exec(container, spec, stdio)).await.unwrap();
    // A program that reads nothing may have ended already.
    if let Err(e) = pipes.stdin.write_all(b"typed\n").await {
        assert_eq!(e.kind(), std::io::ErrorKind::BrokenPipe);
    }
    drop(pipes.stdin);
    let mut text = String::new();
    patient(pipes.stdout.read_to_string(&mut text))
        .await
        .unwrap();
    (patient(process.wait()).await.unwrap(), text)
}

async fn exec() {
    let node = lab().await;
    let container = sleeper(&node).await.id();
    let mut spec = command(
        "read word; echo $word $KEPT $CHANGED; pwd; hostname; tr '\\0' ' ' < /proc/1/cmdline; exit 7",
    );
    spec.env = vec![("CHANGED".into(), "new".into())];
    let (exit, text) = executed(&node, container, spec).await;
    assert_eq!(
        (exit, text.as_str()),
        (
            Exit::Code(7),
            "typed kept new\n/var/tmp\nalice\nsleep 1000 "
        )
    );
    let missing = ExecSpec {
        argv: vec!["nothing-here".into()],
        ..ExecSpec::default()
    };
    let error = node
        .exec(container, missing, Stdio::default())
        .await
        .unwrap_err();
    assert!(
        matches!(
            error,
            NodeError::Exec {
                errno: libc::ENOENT,
                ..
            }
        ),
        "{error}"
    );
}

async fn kill() {
    let node = lab().await;
    let container = sleeper(&node).await;
    let inner = node
        .exec(
            container.id(),
            command("sleep 1000; true"),
            Stdio::default(),
        )
        .await
        .unwrap();
    node.signal(container.id(), libc::SIGTERM).await.unwrap();
    assert_eq!(
        executed(&node, container.id(), command("echo alive"))
            .await
            .1,
        "alive\n",
        "no handler, no effect"
    );
    node.signal(container.id(), libc::SIGKILL).await.unwrap();
    assert_eq!(
        patient(container.wait()).await.unwrap(),
        Exit::Signal(libc::SIGKILL)
    );
    assert_eq!(
        patient(inner.wait()).await.unwrap(),
        Exit::Signal(libc::SIGKILL)
    );
    let error = node
        .exec(container.id(), command("true"), Stdio::default())
        .await
        .unwrap_err();
    assert!(error.to_string().contains("is not running"), "{error}");
}

async fn terminal() {
    let node = lab().await;
    let container = sleeper(&node).await.id();
    let (mut terminal, stdio) = Terminal::open(Size {
        rows: 24,
        columns: 80,
    })
    .unwrap();
    let mut spec = command("test -t 0 && stty size < /dev/tty; read; stty size");
    spec.tty = true;
    let process = node.exec(container, spec, stdio).await.unwrap();
    let mut buffer = [0; 7];
    patient(terminal.read_exact(&mut buffer)).await.unwrap();
    assert_eq!(&buffer, b"24 80\r\n");
    terminal
        .resizer()
        .unwrap()
        .resize(Size {
            rows: 50,
            columns: 132,
        })
        .unwrap();
    terminal.write_all(b"\n").await.unwrap();
    let mut rest = String::new();
    patient(terminal.read_to_string(&mut rest)).await.unwrap();
    assert_eq!(
        (rest.as_str(), process.wait().await.unwrap()),
        ("\r\n50 132\r\n", Exit::Code(0))
    );
}

async fn listeners() {
    let node = lab().await;
    let (stdio, mut pipes) = Stdio::pipes().unwrap();
    let mut spec = applet(&["unix", "/run/meshproof/xds.sock"]);
    spec.unix_listeners = vec!["/run/other.sock".into(), "/run/meshproof/xds.sock".into()];
    let started = node.start_container(ALICE.0, spec, stdio).await.unwrap();
    let (mut stream, _) = patient(started.listeners[1].accept()).await.unwrap();
    stream.write_all(b"from outside").await.unwrap();
    drop(stream);
    let mut text = String::new();
    patient(pipes.stdout.read_to_string(&mut text))
        .await
        .unwrap();
    assert_eq!(text, "from outside");
}

async fn removal() {
    let node = lab().await;
    let container = sleeper(&node).await;
    for _ in 0..3 {
        patient(node.remove_sandbox(ALICE.0)).await.unwrap();
        pod(&node, CLIENT, ALICE.0, ALICE.1).await.unwrap();
        assert_eq!(printed(&node, ALICE.0, "echo again").await, "again");
    }
    assert_eq!(container.exit(), Some(Exit::Signal(libc::SIGKILL)));
    let error = node.remove_sandbox(CLIENT).await.unwrap_err();
    assert!(error.to_string().contains("hang on the router"), "{error}");
}

async fn many() {
    let node = lab().await;
    let starts = (0..40).map(|number| {
        let node = node.clone();
        tokio::spawn(async move {
            let sandbox = if number % 2 == 0 { ALICE.0 } else { BOB.0 };
            run(&node, sandbox, shell(&format!("exit {number}")))
                .await
                .unwrap()
                .exit
        })
    });
    for (number, task) in starts.collect::<Vec<_>>().into_iter().enumerate() {
        assert_eq!(
            task.await.unwrap(),
            Exit::Code(i32::try_from(number).unwrap())
        );
    }
}

async fn refused() {
    let node = lab().await;
    let error = run(&node, "nowhere", shell("true"))
        .await
        .unwrap_err()
        .to_string();
    assert_eq!(error, "there is no router or sandbox \"nowhere\"");
    let error = pod(&node, CLIENT, ALICE.0, ALICE.1)
        .await
        .unwrap_err()
        .to_string();
    assert_eq!(error, "a router or sandbox \"client/alice\" exists already");
    let error = run(&node, ALICE.0, shell(&"x".repeat(200_000)))
        .await
        .unwrap_err();
    assert!(matches!(error, NodeError::TooLarge { .. }), "{error}");
    let mut spec = shell("true");
    spec.env.push(("SECRET".into(), "a\0b".into()));
    let error = run(&node, ALICE.0, spec).await.unwrap_err().to_string();
    assert_eq!(
        error,
        "the argument or variable \"SECRET\" contains a NUL byte"
    );
    let error = node.nft(ALICE.0, "no such rule").await.unwrap_err();
    assert!(
        matches!(&error, NodeError::Nft { message, .. } if message.contains("syntax error")),
        "{error}"
    );
}
