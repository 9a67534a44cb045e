//! Simulated power cuts: a real store under load has all its writes and syncs recorded (`tests/powercut/recorder.c`), and the disk is rebuilt
//! as it may be found after a cut at some moment behind an acknowledgement. Each of these disks must open, and hold all that was acknowledged
//! by then.
//!
//! `tests/powercut/run` repeats this with more cuts, and with a seed that an earlier run has told.

mod disk;
mod load;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::SystemTime;

use codex_pooler::store::{LedgerStore as _, RequestFilter, SledOptions, SledStore, TokenStore as _};

use self::disk::{Disk, Entry, Model, Random};
use self::load::{Ack, ROOT};

/// A number from the environment, or its default.
pub fn number(variable: &str, default: u64) -> u64 {
    let written = std::env::var(variable).ok();
    written.map_or(default, |text| text.parse().unwrap_or_else(|e| panic!("{variable}={text}: {e}")))
}

fn cuts() -> u64 {
    number("CODEX_POOLER_CUTS", 24)
}

struct Record {
    entries: Vec<Entry>,
    _dir: tempfile::TempDir,
}

/// The load, recorded once for all tests here.
fn record() -> &'static Record {
    static RECORD: OnceLock<Record> = OnceLock::new();
    RECORD.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        let (live, log, recorder) = (root.join("live"), root.join("record"), root.join("recorder.so"));
        std::fs::create_dir(&live).unwrap();
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/powercut/recorder.c");
        let compiled = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .args([&recorder, &source])
            .args(["-ldl", "-lpthread"])
            .status();
        assert!(compiled.expect("a C compiler, which linking needs anyway").success());
        let seconds = number("CODEX_POOLER_CUT_SECONDS", 4);
        let done = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "powercut::load::writer", "--ignored", "--nocapture"])
            .env(ROOT, &live)
            .env(load::SECONDS, seconds.to_string())
            .env("LD_PRELOAD", &recorder)
            .env("POWERCUT_BELOW", &live)
            .env("POWERCUT_RECORD", &log)
            .output()
            .unwrap();
        assert!(done.status.success(), "{done:?}");
        let entries = disk::parse(&std::fs::read(&log).unwrap());
        Record { entries, _dir: dir }
    })
}

/// What came of the cuts.
#[derive(Debug, Default)]
struct Tally {
    model: String,
    good: u64,
    unopenable: Vec<String>,
    lost: Vec<String>,
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (lost, unopenable) = (self.lost.len(), self.unopenable.len());
        write!(f, "{}: {} good, {lost} lost, {unopenable} unopenable", self.model, self.good)
    }
}

/// Cuts the power so often, each time a moment behind an acknowledgement, and looks at each disk.
fn cut(model: Model, cuts: u64) -> Tally {
    let entries = &record().entries;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let mut random = Random::new(number("CODEX_POOLER_CUT_SEED", u64::from(now.subsec_nanos()) + 1));
    let seed = random.seed();
    let acknowledged: Vec<usize> = (0..entries.len()).filter(|at| entries[*at].is_acknowledgement()).collect();
    assert!(acknowledged.len() > 200, "the load was too short: {} acknowledgements", acknowledged.len());
    let mut moments: Vec<usize> = (0..cuts)
        .map(|_| acknowledged[random.below(acknowledged.len())] + 1 + random.below(4))
        .map(|moment| moment.min(entries.len()))
        .collect();
    moments.sort_unstable();

    let dir = tempfile::tempdir().unwrap();
    let (mut disk, mut done, mut tally, mut acks) = (Disk::new(model), 0, Tally::default(), Vec::new());
    tally.model = format!("{model:?}, seed {seed}");
    for (round, moment) in moments.into_iter().enumerate() {
        for entry in &entries[done..moment] {
            disk.apply(entry);
            if entry.is_acknowledgement() {
                acks.extend(Ack::read(&entry.data));
            }
        }
        done = moment;
        let image = dir.path().join(round.to_string());
        let how = disk.cut(&image, &mut random);
        let what = format!("{model:?}, seed {seed}, cut after entry {moment} of {}, {how}", entries.len());
        // The engine panics on some damage.
        let looked = std::thread::scope(|scope| scope.spawn(|| look(&image.join("store"), &acks)).join());
        match looked {
            Ok(Ok(())) => tally.good += 1,
            Ok(Err(Bad::Unopenable(why))) => tally.unopenable.push(format!("{what}: {why}")),
            Ok(Err(Bad::Lost(why))) => tally.lost.push(format!("{what}: {why}")),
            Err(_) => tally.unopenable.push(format!("{what}: the engine panicked")),
        }
        std::fs::remove_dir_all(&image).unwrap();
    }
    tally
}

enum Bad {
    Unopenable(String),
    Lost(String),
}

/// Opens the store as a gateway does and looks for everything that was acknowledged.
fn look(store: &Path, acks: &[Ack]) -> Result<(), Bad> {
    let path: PathBuf = store.to_owned();
    let store = SledStore::open(&SledOptions::new(path)).map_err(|error| Bad::Unopenable(error.to_string()))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let report = store.verify().map_err(|error| Bad::Unopenable(error.to_string()))?;
    if report.damaged() + report.orphans() > 0 {
        return Err(Bad::Lost(format!("{:?}", report.findings)));
    }
    let found = runtime.block_on(async {
        let rows = store.recent(usize::MAX, RequestFilter::default()).await.map_err(|e| e.to_string())?;
        let rows: HashMap<_, _> = rows.into_iter().map(|row| (row.request_id, row)).collect();
        let control = codex_pooler::store::ControlStore::load(&store).await.map_err(|e| e.to_string())?;
        for ack in acks {
            let there = match ack {
                Ack::Reserved(id) => rows.get(id).is_some_and(|row| row.reserved.is_some()),
                Ack::Settled(id, input) => rows.get(id).is_some_and(|row| load::input(row) == Some(*input)),
                Ack::Changed(rev, slug) => control.rev >= *rev && control.pools.iter().any(|pool| pool.slug == *slug),
                Ack::Refreshed(account, version) => {
                    let tokens = store.read(*account).await.map_err(|e| e.to_string())?;
                    tokens.version >= *version && tokens.tokens.refresh == load::sealed(tokens.version).refresh
                }
            };
            if !there {
                return Err(format!("{ack:?} is gone"));
            }
        }
        Ok(())
    });
    store.close();
    found.map_err(Bad::Lost)
}

fn all_good(model: Model) -> Tally {
    let tally = cut(model, cuts());
    assert!(tally.lost.is_empty() && tally.unopenable.is_empty(), "{tally:#?}");
    assert_eq!(tally.good, cuts());
    tally
}

#[test]
fn nothing_acknowledged_is_lost_on_a_disk_that_keeps_only_what_was_synced() {
    println!("{}", all_good(Model::Strict));
}

#[test]
fn nothing_acknowledged_is_lost_on_a_disk_that_keeps_what_it_was_handed() {
    println!("{}", all_good(Model::PowerLossProtected));
}

/// The tool can fail: the same record, as if the store did not sync after each group.
#[test]
fn without_the_sync_after_each_group_acknowledged_rows_are_lost() {
    let tally = cut(Model::WithoutOurSync, 12);
    println!("{tally}");
    assert!(tally.lost.len() + tally.unopenable.len() >= 6, "{tally:#?}");
}

/// The record itself is complete: without a cut, everything is there.
#[test]
fn a_disk_that_keeps_everything_has_everything() {
    let entries = &record().entries;
    let mut disk = Disk::new(Model::Strict);
    entries.iter().for_each(|entry| disk.apply(entry));
    let acks: Vec<Ack> = entries.iter().filter(|e| e.is_acknowledgement()).flat_map(|e| Ack::read(&e.data)).collect();
    let dir = tempfile::tempdir().unwrap();
    disk.keep(dir.path());
    match look(&dir.path().join("store"), &acks) {
        Ok(()) => {}
        Err(Bad::Unopenable(why) | Bad::Lost(why)) => panic!("{why}"),
    }
    let syncs = |thread: &str| entries.iter().filter(|entry| entry.is_sync_of(thread)).count();
    assert!(syncs("store-commit") > 50 && acks.len() > 200, "{} syncs, {} acks", syncs("store-commit"), acks.len());
}
