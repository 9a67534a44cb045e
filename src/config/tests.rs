//! The files of `conf/`, and what a mistake in a file says.

use std::path::PathBuf;
use std::time::Duration;

use super::*;
use crate::secrets::KeySource;

fn settings(text: &str) -> Settings {
    load(text, "test.toml", Path::new("")).unwrap().settings
}

fn refusal(text: &str) -> String {
    load(text, "test.toml", Path::new("")).unwrap_err().to_string()
}

#[test]
fn an_empty_file_is_the_defaults_with_the_five_filters() {
    let config = load("", "test.toml", Path::new("")).unwrap();
    assert_eq!(config.settings, Settings::default());
    let chain: Vec<&str> = config.chain.iter().map(|e| e.filter.as_str()).collect();
    assert_eq!(chain, ["auth", "route_gate", "codex_rewrite", "pool_select", "accounting"]);
}

#[test]
fn takes_what_is_written() {
    let text = r#"
        [gateway]
        listen = ["0.0.0.0:80", "[::1]:0"]
        threads = 3
        [limits]
        max_body = "1MiB"
        max_compressed = "512KiB"
        zstd_window = "1MiB"
        [limits.admission.stream]
        running = 7
        [sse]
        keep_alive = "0"
        [accounts]
        origin = "http://127.0.0.1:9999/"
        [files]
        upload_origins = ["http://127.0.0.1:9/", "https://blobs.example"]
        [log]
        filter = "warn,codex_pooler=trace"
        format = "json"
    "#;
    let s = settings(text);
    assert_eq!(s.gateway.listen, ["0.0.0.0:80".parse().unwrap(), "[::1]:0".parse().unwrap()]);
    assert_eq!(s.gateway.threads.get(), 3);
    assert_eq!((s.limits.max_body, s.limits.max_compressed, s.limits.zstd_window_log), (1 << 20, 1 << 19, 20));
    assert_eq!((s.limits.admission.stream.running, s.limits.admission.http.running), (7, 2048));
    assert_eq!(s.limits.admission.stream.wait, Duration::from_secs(10));
    assert_eq!(settings("[limits]\nmax_body = \"1MiB\"").limits.max_compressed, 1 << 20);
    assert_eq!(s.sse.keep_alive, None);
    assert_eq!(s.accounts.origin.as_str(), "http://127.0.0.1:9999");
    assert_eq!(
        s.files.upload_origins.iter().map(Origin::as_str).collect::<Vec<_>>(),
        ["http://127.0.0.1:9", "https://blobs.example"]
    );
    assert_eq!(s.files.max_size, 1 << 20, "never above max_body");
    assert_eq!((s.log.filter.as_str(), s.log.format), ("warn,codex_pooler=trace", LogFormat::Json));
}

#[test]
fn backups_and_the_room_on_the_disk_are_as_written() {
    let text = "[data]\nmin_free = \"1GiB\"\n[backup]\ninterval = \"5m\"\nkeep = 7\nrestore_damaged = true\n";
    let s = settings(text);
    assert_eq!((s.data.min_free, s.backup.interval, s.backup.keep), (1 << 30, Some(Duration::from_secs(300)), 7));
    assert!(s.backup.restore_damaged);
    assert_eq!(settings("[backup]\ninterval = \"0\"").backup.interval, None);
    assert_eq!(settings("[data]\nmin_free = \"0B\"").data.min_free, 0);
    let placed = |text| load(text, "test.toml", Path::new("/etc/pooler")).unwrap().settings;
    assert_eq!(placed("[data]\ndir = \"state\"").backups().dir(), Path::new("/etc/pooler/state/backups"));
    assert_eq!(placed("[backup]\ndir = \"b\"").backups().dir(), Path::new("/etc/pooler/b"));
    for (text, key) in [
        ("interval = \"30s\"", "backup.interval"),
        ("keep = 0", "backup.keep"),
        ("interval = \"400d\"", "backup.interval"),
    ] {
        let error = load(&format!("[backup]\n{text}"), "test.toml", Path::new("")).unwrap_err();
        assert_eq!((error.line, error.key.as_str()), (2, key), "{error}");
    }
}

#[test]
fn relative_paths_are_relative_to_the_file() {
    let text = "[data]\ndir = \"state\"\n[secrets]\nkeys = [{ id = \"a\", file = \"a.key\" }, { id = \"b\", file = \"/b.key\" }]";
    let s = load(text, "test.toml", Path::new("/etc/pooler")).unwrap().settings;
    assert_eq!(s.data.store(), PathBuf::from("/etc/pooler/state/store"));
    let key = |id: &str, path: &str| KeySource::File { id: id.to_owned(), path: PathBuf::from(path) };
    assert_eq!(s.secrets.keys, [key("a", "/etc/pooler/a.key"), key("b", "/b.key")]);
}

#[test]
fn listeners_with_tls_have_their_files_beside_the_configuration_and_may_be_the_only_ones() {
    let text = "[gateway]\nlisten = []\ncertificate_watch = \"0\"\nh2c = false\n[[gateway.tls]]\nlisten = [\"0.0.0.0:443\", \"[::]:443\"]\n\
        certificate = \"c.pem\"\nkey = \"/k.pem\"\n[[gateway.tls]]\nlisten = [\"127.0.0.1:1\"]\ncertificate = \"d\"\nkey = \"e\"";
    let config = load(text, "test.toml", Path::new("/etc/pooler")).unwrap();
    let gateway = &config.settings.gateway;
    assert_eq!((gateway.listen.len(), gateway.tls.len(), gateway.certificate_watch, gateway.h2c), (0, 2, None, false));
    let first = Tls {
        listen: vec!["0.0.0.0:443".parse().unwrap(), "[::]:443".parse().unwrap()],
        certificate: PathBuf::from("/etc/pooler/c.pem"),
        key: PathBuf::from("/k.pem"),
    };
    assert_eq!(gateway.tls[0], first);
    let error = crate::tls::check(&gateway.tls).unwrap_err();
    let told = config.refuse_certificate(&error).to_string();
    assert!(told.starts_with("test.toml:7:15: gateway.tls[0].certificate: /etc/pooler/c.pem: "), "{told}");
    assert_eq!(
        settings("[gateway]\ncertificate_watch = \"5m\"").gateway.certificate_watch,
        Some(Duration::from_secs(300))
    );
}

#[test]
fn mistakes_of_listeners_with_tls_name_file_line_column_and_key() {
    for (text, start, contains) in [
        ("[gateway]\ncertificate_watch = \"5ms\"", "test.toml:2:21: gateway.certificate_watch: ", "from 1s to 24h"),
        (
            "[[gateway.tls]]\nlisten = []\ncertificate = \"c\"\nkey = \"k\"",
            "test.toml:2:10: gateway.tls[0].listen: ",
            "at least one",
        ),
        (
            "[[gateway.tls]]\nlisten = [\"[::]:1\"]\nkey = \"k\"",
            "test.toml:1:1: gateway.tls[0]: ",
            "missing field `certificate`",
        ),
        (
            "[[gateway.tls]]\nlisten = [\"[::]:1\"]\ncertificate = \"c\"\nkey = \" \"",
            "test.toml:4:7: gateway.tls[0].key: ",
            "must not be empty",
        ),
        ("[gateway]\ntls = { listen = [] }", "test.toml:2:7: gateway.tls: ", "expected a sequence"),
    ] {
        let refusal = refusal(text);
        assert!(refusal.starts_with(start) && refusal.contains(contains), "{text}\n{refusal}\n{start}{contains}");
    }
}

#[test]
fn a_mistake_is_one_line_whatever_the_keys_are() {
    let refused = refusal("\"a\\nb\\u001b[2J\" = 1");
    assert!(refused.contains("a\\nb") && !refused.contains(char::is_control), "{refused}");
    let refused = refusal("\"\"\"\"[c\u{7}]\n[chain\"\"\" = [1 2]");
    assert!(!refused.contains(char::is_control), "{refused}");
}

#[test]
fn every_mistake_names_file_line_column_and_key() {
    for (text, start, contains) in [
        ("[gateway]\nthread = 4", "test.toml:2:1: gateway.thread: ", "unknown field `thread`"),
        ("gateways = 4", "test.toml:1:1: gateways: ", "unknown field `gateways`"),
        ("[gateway]\n\nthreads = \"4\"", "test.toml:3:11: gateway.threads: ", "invalid type"),
        ("[gateway]\nthreads = 0", "test.toml:2:11: gateway.threads: ", "must be from 1 to 1024"),
        ("[gateway]\nthreads = -1", "test.toml:2:11: gateway.threads: ", "invalid value"),
        ("[gateway]\nlisten = [\"a\"]", "test.toml:2:11: gateway.listen[0]: ", "expected an address"),
        ("[gateway]\nlisten = []", "test.toml:2:10: gateway.listen: ", "at least one"),
        ("[commit]\ncommit_deadline = 2", "test.toml:2:19: commit.commit_deadline: ", "invalid type"),
        ("[commit]\ncommit_deadline = \"2\"", "test.toml:2:19: commit.commit_deadline: ", "expected a duration"),
        ("[commit]\ncommit_deadline = \"9m\"", "test.toml:2:19: commit.commit_deadline: ", "must be from 1ms to 1m"),
        ("[limits]\nmax_body = \"64MB\"", "test.toml:2:12: limits.max_body: ", "expected a size"),
        (
            "[limits]\nmax_compressed = \"65MiB\"",
            "test.toml:2:18: limits.max_compressed: ",
            "must not be above max_body",
        ),
        ("[limits]\nmax_body = \"1GiB\"", "test.toml:2:12: limits.max_body: ", "body_memory must not be below"),
        ("[limits]\nbody_memory = \"1MiB\"", "test.toml:2:15: limits.body_memory: ", "must not be below max_body"),
        ("[limits]\nzstd_window = \"3MiB\"", "test.toml:2:15: limits.zstd_window: ", "power of two"),
        ("[limits]\nmax_head = \"1MiB\"", "test.toml:2:12: limits.max_head: ", "must be from 1KiB to 1020KiB"),
        ("[limits]\nmax_header_fields = 300", "test.toml:2:21: limits.max_header_fields: ", "must be from 16 to 256"),
        ("[limits]\nbody_min_rate = \"2GiB\"", "test.toml:2:17: limits.body_min_rate: ", "must be from 0B to 1GiB"),
        ("[limits.admission.http]\nrunning = 0", "test.toml:2:11: limits.admission.http.running: ", "from 1"),
        ("[upstream]\nuser_agent = \"a\\nb\"", "test.toml:2:14: upstream.user_agent: ", "not a valid header"),
        ("[files]\nmax_size = \"65MiB\"", "test.toml:2:12: files.max_size: ", "must not be above limits.max_body"),
        (
            "[files]\nupload_origins = [\"http://a.example\"]",
            "test.toml:2:19: files.upload_origins[0]: ",
            "must be https",
        ),
        ("[accounts]\norigin = \"http://chatgpt.com\"", "test.toml:2:10: accounts.origin: ", "must be https"),
        ("[[models]]\nname = \"x\"", "test.toml:2:1: models[0].name: ", "unknown field"),
        ("[[models]]\nid = \"x\"\n[[models]]\nid = \"x\"", "test.toml:4:6: models[1].id: ", "stands twice"),
        ("[[models]]\ndisplay_name = \"x\"", "test.toml:1:1: models[0]: ", "missing field `id`"),
        ("[secrets]\nkeys = [{ id = \"a\" }]", "test.toml:2:9: secrets.keys[0]: ", "either `file` or `env`"),
        ("[log]\nfilter = \"a=b=c\"", "test.toml:2:10: log.filter: ", ""),
        ("[log]\nformat = \"xml\"", "test.toml:2:10: log.format: ", "is \"text\" or \"json\""),
        ("[gateway]\nthreads = = 4", "test.toml:2:11: gateway.threads: ", ""),
        ("[gateway]\nthreads = 4\nthreads = 4", "test.toml:3:1: gateway.threads: ", "duplicate key"),
        ("chain = 1", "test.toml:1:9: chain: ", "list of tables"),
        ("[[chain]]\nname = \"auth\"", "test.toml:2:1: chain[0].name: ", "unknown field `name`"),
        ("[[chain]]\nconfig = {}", "test.toml:1:1: chain[0]: ", "missing field `filter`"),
        ("[[chain]]\nfilter = 1", "test.toml:2:10: chain[0].filter: ", "name of a filter"),
        ("[[chain]]\nfilter = \"a\"\nconfig = 1", "test.toml:3:10: chain[0].config: ", "is a table"),
    ] {
        let refusal = refusal(text);
        assert!(refusal.starts_with(start) && refusal.contains(contains), "{text}\n{refusal}\n{start}{contains}");
        assert!(!refusal.contains('\n'), "{refusal}");
    }
}

mod chain {
    use std::sync::Arc;

    use pooler_filter::testing::FakePorts;
    use pooler_filter::{
        BuildError, Contract, Filter, FilterContext, FilterFactory, Registry, Unobserved, async_trait,
    };
    use serde::Deserialize;

    use super::*;

    /// Stands for the filter that sends our identity.
    struct Rewrite;

    #[derive(Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct RewriteConfig {
        depth: u8,
        originator: String,
    }

    impl Default for RewriteConfig {
        fn default() -> Self {
            Self { depth: 1, originator: "nobody".to_owned() }
        }
    }

    #[async_trait]
    impl Filter for Rewrite {}

    impl FilterFactory for Rewrite {
        const NAME: &'static str = "codex_rewrite";
        const CONTRACT: Contract = Contract::new();
        type Config = RewriteConfig;

        fn build(config: RewriteConfig, _: &FilterContext<'_>) -> Result<Arc<dyn Filter>, BuildError> {
            if config.depth == 0 {
                return Err(BuildError::Refused("depth is 0".to_owned()));
            }
            // The refusal shows the tests what arrived here.
            Err(BuildError::Refused(format!("originator is {}", config.originator)))
        }
    }

    fn chain_refusal(text: &str) -> String {
        let config = load(text, "test.toml", Path::new("")).unwrap();
        let registry = Registry::new().with::<Rewrite>();
        let error = registry.build_chain(&config.chain, &FakePorts::new().ports(), Arc::new(Unobserved)).unwrap_err();
        config.refuse(&error).to_string()
    }

    #[test]
    fn a_mistake_inside_a_filters_table_names_its_line() {
        let text = "[[chain]]\nfilter = \"codex_rewrite\"\n\n[chain.config]\ndepht = 2\n";
        let refusal = chain_refusal(text);
        assert!(refusal.starts_with("test.toml:5:1: chain[0].config.depht: "), "{refusal}");
        let refusal = chain_refusal("[[chain]]\nfilter = \"codex_rewrite\"\nconfig = { depth = 256 }");
        assert!(refusal.starts_with("test.toml:3:20: chain[0].config.depth: "), "{refusal}");
    }

    #[test]
    fn a_filter_that_is_not_there_or_refuses_is_named_with_its_line() {
        let refusal = chain_refusal("[[chain]]\nfilter = \"codex_rewrit\"");
        assert!(refusal.starts_with("test.toml:2:10: chain[0].filter: "), "{refusal}");
        assert!(refusal.contains("no such filter; there are codex_rewrite"), "{refusal}");
        let refusal = chain_refusal("[[chain]]\nfilter = \"codex_rewrite\"\nconfig = { depth = 0 }");
        assert!(refusal.starts_with("test.toml:2:10: chain[0].filter: "), "{refusal}");
    }

    #[test]
    fn the_identity_of_upstream_reaches_the_filter_and_stands_in_one_place_only() {
        let upstream = "[upstream]\noriginator = \"me\"\n";
        let entry = "[[chain]]\nfilter = \"codex_rewrite\"\n";
        assert!(chain_refusal(entry).ends_with("originator is nobody"));
        assert!(chain_refusal(&format!("{upstream}{entry}")).ends_with("originator is me"));
        let twice = format!("{upstream}{entry}config = {{ originator = \"you\" }}");
        let refusal = refusal(&twice);
        assert!(refusal.starts_with("test.toml:5:25: chain[0].config.originator: is set in [upstream]"), "{refusal}");
    }
}

mod files {
    use std::collections::BTreeSet;

    use super::*;

    const FULL: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/conf/codex-pooler.toml"));
    const MINIMAL: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/conf/minimal.toml"));

    /// The file with everything live that is only shown: lines `#key = value` and `#[table]`, without a blank after the `#`.
    fn uncommented() -> String {
        let live = |line: &str| match line.strip_prefix('#') {
            Some(rest) if rest.starts_with(|c: char| c.is_ascii_lowercase() || c == '[') => rest.to_owned(),
            Some(_) | None => line.to_owned(),
        };
        FULL.lines().map(live).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn the_full_file_says_exactly_the_defaults() {
        let config = load(FULL, "codex-pooler.toml", Path::new("")).unwrap();
        assert_eq!(config.settings, Settings::default());
        let default = load("", "", Path::new("")).unwrap();
        let names = |c: &Config<'_>| c.chain.iter().map(|e| e.filter.clone()).collect::<Vec<_>>();
        assert_eq!(names(&config), names(&default));
    }

    #[test]
    fn the_minimal_file_says_nothing_but_the_defaults() {
        let config = load(MINIMAL, "minimal.toml", Path::new("")).unwrap();
        assert_eq!(config.settings, Settings::default());
    }

    #[test]
    fn the_full_file_has_every_key_and_what_it_only_shows_is_valid_too() {
        let text = uncommented();
        load(&text, "codex-pooler.toml", Path::new("")).unwrap();
        let root = DeTable::parse(&text).unwrap();
        let mut written = BTreeSet::new();
        keys(root.get_ref(), "", &mut written);
        let mut known = BTreeSet::from(["chain.filter".to_owned()]);
        ask("", &mut known);
        let missing: Vec<_> = known.difference(&written).collect();
        assert!(missing.is_empty(), "not in conf/codex-pooler.toml: {missing:?}");
        assert!(known.len() > 55, "the parser was asked for all its keys: {known:?}");
    }

    #[test]
    fn every_key_of_the_full_file_has_a_comment() {
        let lines: Vec<&str> = FULL.lines().collect();
        for (n, line) in lines.iter().enumerate() {
            let key = line.strip_prefix('#').unwrap_or(line);
            if key.starts_with(|c: char| c.is_ascii_lowercase()) && key.contains(" = ") {
                let above = n.checked_sub(1).map(|n| lines[n]).unwrap_or_default();
                let told = above.starts_with("# ") || key.contains(" # ");
                assert!(told, "line {}: {line}", n + 1);
            }
        }
    }

    fn keys(table: &DeTable<'_>, path: &str, out: &mut BTreeSet<String>) {
        for (key, value) in table {
            let path = if path.is_empty() { key.get_ref().to_string() } else { format!("{path}.{}", key.get_ref()) };
            descend(value.get_ref(), &path, out);
        }
    }

    fn descend(value: &toml::de::DeValue<'_>, path: &str, out: &mut BTreeSet<String>) {
        out.insert(path.to_owned());
        if let Some(table) = value.as_table() {
            keys(table, path, out);
        }
        for item in value.as_array().into_iter().flat_map(|items| items.iter()) {
            descend(item.get_ref(), path, out);
        }
    }

    /// Asks the parser itself which keys it knows: an unknown key is answered with the list of known ones.
    fn ask(path: &str, known: &mut BTreeSet<String>) {
        let forms = if path.is_empty() {
            vec!["zz = 1".to_owned()]
        } else {
            vec![format!("[{path}]\nzz = 1"), format!("[[{path}]]\nzz = 1")]
        };
        let answers = forms.iter().filter_map(|text| load(text, "", Path::new("")).err().map(|e| e.message));
        let Some(answer) = answers.into_iter().find(|m| m.starts_with("unknown field `zz`")) else { return };
        for name in answer.split('`').skip(3).step_by(2).filter(|n| *n != "zz") {
            let path = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
            known.insert(path.clone());
            ask(&path, known);
        }
    }
}
