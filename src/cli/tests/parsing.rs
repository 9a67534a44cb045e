//! Arguments, help, and the commands that the host runs.

use super::*;

fn recorded(args: &[&str]) -> (Ran, Vec<String>) {
    let host = Recorder::default();
    let ran = run_with(&host, args, b"");
    (ran, host.ran.into_inner())
}

#[test]
fn the_definition_of_the_arguments_is_sound() {
    use clap::CommandFactory;
    Cli::command().debug_assert();
}

#[test]
fn help_and_version_go_to_stdout() {
    for args in [&["--help"][..], &["pool", "--help"], &["account", "import", "--help"], &["--version"]] {
        let ran = ran(args);
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{args:?}");
        assert!(!ran.out.is_empty());
    }
    assert!(ran(&["--version"]).out.starts_with("codex-pooler "));
}

#[test]
fn arguments_that_make_no_sense_are_one_line_and_code_2() {
    for (args, contains) in [
        (&["pools"][..], "unrecognized subcommand"),
        (&["pool", "create"], "<SLUG>"),
        (&["pool", "set", "x"], "required"),
        (&["pool", "set", "x", "--images", "maybe"], "expected on or off"),
        (&["pool", "set", "x", "--status", "on"], "expected active, disabled or archived"),
        (&["pool", "set", "x", "--ring-size", "0"], "0"),
        (&["key", "create", "--pool", "x"], "--name"),
        (&["key", "create", "--pool", "x", "--name", "k", "--expires", "soon"], "expected 30d"),
        (&["account", "import", "f", "--pool", "p", "--origin", "http://chatgpt.com"], "must be https"),
        (&["requests", "list", "--limit", "0"], "0"),
        (&["demo", "--accounts", "0"], "0"),
        (&["demo", "--upstream", "http://10.0.0.1"], "must be https"),
        (&["simulate", "--control", "0.0.0.0:1"], "loopback"),
        (&["serve", "--config", "a", "--data", "b"], "--data"),
        (&["pool", "--config", "a", "list", "--data", "b"], "--data"),
    ] {
        ran(args).refused(2, contains);
    }
}

#[test]
fn without_arguments_the_help_goes_to_stderr() {
    let ran = ran(&[]);
    assert_eq!((ran.code, ran.out.as_str()), (2, ""));
    assert!(ran.err.contains("Usage"));
}

#[test]
fn the_host_runs_what_is_no_administration() {
    let (ran, calls) = recorded(&["serve", "--data", "x"]);
    assert_eq!((ran.code, calls), (0, vec!["serve x".to_owned()]));
    let (ran, calls) = recorded(&["serve"]);
    assert_eq!((ran.code, calls), (0, vec!["serve ./data/codex-pooler".to_owned()]));

    let (ran, calls) = recorded(&["demo"]);
    let demo = DemoArgs { port: 4000, data: "./data/demo".into(), accounts: 3, env: None, upstream: None };
    assert_eq!((ran.out.as_str(), calls), ("demo\n", vec![format!("{demo:?}")]));
    let args = ["demo", "--port", "0", "--data", "d", "--accounts", "1", "--env", "e", "--upstream", "http://[::1]:9"];
    let upstream = Some("http://[::1]:9".parse().unwrap());
    let demo = DemoArgs { port: 0, data: "d".into(), accounts: 1, env: Some("e".into()), upstream };
    assert_eq!(recorded(&args).1, [format!("{demo:?}")]);

    let addresses = ["simulate", "--listen", "127.0.0.1:0", "--uploads", "127.0.0.1:7", "--control", "[::1]:0"];
    let args = [&addresses[..], &["--accounts", "9", "--seed-file", "s"]].concat();
    let (ran, calls) = recorded(&args);
    let simulate = SimulateArgs {
        listen: "127.0.0.1:0".parse().unwrap(),
        uploads: Some("127.0.0.1:7".parse().unwrap()),
        control: Some("[::1]:0".parse().unwrap()),
        accounts: 9,
        seed_file: Some("s".into()),
    };
    assert_eq!(calls, [format!("{simulate:?}")]);
    ran.refused(1, "two lines");
}

#[test]
fn check_names_the_file_the_line_and_the_key() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.toml");
    let name = path.to_str().unwrap();
    let check = |host: &Recorder| run_with(host, &["check", "--config", name], b"");
    let any = Recorder { any_chain: true, ..Recorder::default() };

    std::fs::write(&path, "[gateway]\nthreads = 2\n").unwrap();
    let ran = check(&any);
    assert_eq!((ran.code, ran.out), (0, format!("{name}: ok\n")));

    std::fs::write(&path, "[gateway]\nthreads = 0\n").unwrap();
    check(&any).refused(1, &format!("{name}:2:11: gateway.threads: must be from 1"));

    std::fs::write(&path, "[[chain]]\nfilter = \"nosuch\"\n").unwrap();
    check(&Recorder::default()).refused(1, &format!("{name}:2:10: chain[0].filter: chain[0] `nosuch`: no such filter"));

    run_with(&any, &["check", "--config", "/nonexistent.toml"], b"").refused(1, "/nonexistent.toml: ");
    assert_eq!(run_with(&any, &["check"], b"").out, "(no file): ok\n");
}

/// A pipe whose reader has left.
struct Broken;

impl Write for Broken {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let mut err = Vec::new();
    let mut io = Io { input: &mut io::empty(), out: &mut Broken, err: &mut err };
    for args in [["codex-pooler", "--help"], ["codex-pooler", "demo"]] {
        assert_eq!(run(args.map(OsString::from), &Recorder::default(), &mut io), 0);
    }
    assert!(err.is_empty());
}
